"""Hold the proxy to the contract: its steps against a real engine and a stand-in for Traefik."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_container_proxy.contract.context import LocalContext
from stagecraft_container_proxy.contract.lab import own_loopback, unique
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.proxy import ProxyContract
from stagecraft_hookspecs.proxy import Route
from stagecraft_traefik.config import Config
from stagecraft_traefik.proxy import Traefik


class TestTraefik(ProxyContract):
    address = own_loopback()
    real: Any = None

    @pytest.fixture
    def provider(self) -> Traefik:
        return Traefik(Config(acme_email="ops@example.com", trusted_proxies=("10.0.0.0/8",)))

    @pytest.fixture
    def acting(self, stand_in: str, tmp_path: Path) -> Iterator[Traefik]:
        self.real = LocalContext(tmp_path, unique("sct"))
        yield (proxy := Traefik(Config(image=stand_in)))
        proxy.remove(self.real, self.host())

    def routes(self) -> tuple[Route, ...]:
        return tuple(attrs.evolve(route, bind=self.address) for route in super().routes())

    def ready(self, ctx: FakeContext) -> Any:
        return self.real

    @pytest.mark.needs("docker")
    def test_steps_can_be_repeated(self, acting: Traefik, tmp_path: Path) -> None:
        super().test_steps_can_be_repeated(acting, tmp_path)

    @pytest.mark.needs("docker")
    def test_serves_what_it_was_switched_to(self, acting: Traefik, tmp_path: Path) -> None:
        super().test_serves_what_it_was_switched_to(acting, tmp_path)
