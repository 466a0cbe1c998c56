"""Hold the proxy to the contract: its steps in a real container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_caddy.config import Config
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.context import LocalContext
from stagecraft_container_proxy.contract.lab import own_loopback, unique
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.proxy import ProxyContract
from stagecraft_hookspecs.proxy import Route


class TestCaddy(ProxyContract):
    address = own_loopback()
    real: Any = None

    @pytest.fixture
    def provider(self) -> Caddy:
        return Caddy(Config(acme_email="ops@example.com", trusted_proxies=("10.0.0.0/8",)))

    @pytest.fixture
    def engine(self, image: str, provider: Caddy, tmp_path: Path) -> Iterator[None]:
        self.real = LocalContext(tmp_path, unique("sct"))
        yield
        provider.remove(self.real, self.host())

    def routes(self) -> tuple[Route, ...]:
        return tuple(attrs.evolve(route, bind=self.address) for route in super().routes())

    def ready(self, ctx: FakeContext) -> Any:
        return self.real

    @pytest.mark.needs("docker")
    @pytest.mark.usefixtures("engine")
    def test_steps_can_be_repeated(self, provider: Caddy, tmp_path: Path) -> None:
        super().test_steps_can_be_repeated(provider, tmp_path)

    @pytest.mark.needs("docker")
    @pytest.mark.usefixtures("engine")
    def test_serves_what_it_was_switched_to(self, provider: Caddy, tmp_path: Path) -> None:
        super().test_serves_what_it_was_switched_to(provider, tmp_path)
