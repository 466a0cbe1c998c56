"""Have Caddy ask a real authority for certificates."""

from __future__ import annotations

import pytest
from stagecraft_caddy.config import Config
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.authority import AcmeSuite


@pytest.mark.needs("docker")
class TestAcme(AcmeSuite):
    @pytest.fixture
    def proxy(self, image: str) -> Caddy:
        return Caddy()

    def asking(self, directory: str, root: str) -> Caddy:
        return Caddy(Config(acme_ca=directory, acme_ca_root=root, acme_email="ops@shop.test"))
