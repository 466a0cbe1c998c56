"""Hold Traefik itself to what every proxy in a container must do. Where its image is not there, none of this is run."""

from __future__ import annotations

import pytest
from stagecraft_container_proxy.contract.authority import AcmeSuite
from stagecraft_container_proxy.contract.behaviour import ProxyBehaviour
from stagecraft_container_proxy.contract.killing import KillingSuite
from stagecraft_traefik.config import Config
from stagecraft_traefik.proxy import Traefik

pytestmark = pytest.mark.needs("docker", "traefik")


class TestTraefik(ProxyBehaviour):
    pages = False
    redirects = 301  # of a GET; the finding says so
    idles = False

    @pytest.fixture
    def proxy(self) -> Traefik:
        return Traefik()


class TestKilled(KillingSuite):
    @pytest.fixture
    def proxy(self) -> Traefik:
        return Traefik()


class TestAcme(AcmeSuite):
    redirects = 301

    @pytest.fixture
    def proxy(self) -> Traefik:
        from tests.testbed import images

        images.ensure("caddy:2")
        return Traefik()

    def asking(self, directory: str, root: str) -> Traefik:
        return Traefik(Config(acme_ca=directory, acme_ca_root=root, acme_email="ops@shop.test"))
