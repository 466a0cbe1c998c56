"""Hold Caddy to what every proxy in a container must do, in a real container."""

from __future__ import annotations

import pytest
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.behaviour import ProxyBehaviour


@pytest.fixture(autouse=True)
def image() -> None:
    """Have the image where nothing can be pulled."""
    from tests.testbed import images

    images.ensure("caddy:2")


@pytest.mark.needs("docker")
class TestCaddy(ProxyBehaviour):
    @pytest.fixture
    def proxy(self) -> Caddy:
        return Caddy()
