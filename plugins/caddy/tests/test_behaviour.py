"""Hold Caddy to what every proxy in a container must do, in a real container."""

from __future__ import annotations

import pytest
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.behaviour import ProxyBehaviour


@pytest.mark.needs("docker")
class TestCaddy(ProxyBehaviour):
    @pytest.fixture
    def proxy(self, image: str) -> Caddy:
        return Caddy()
