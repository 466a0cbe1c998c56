"""Kill Caddy's steps everywhere."""

from __future__ import annotations

import pytest
from stagecraft_caddy import converge
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.killing import KillingSuite


@pytest.mark.needs("docker")
class TestKilled(KillingSuite):
    @pytest.fixture
    def proxy(self, image: str, monkeypatch: pytest.MonkeyPatch) -> Caddy:
        monkeypatch.setattr(converge, "CLOSING", 0.05)
        return Caddy()
