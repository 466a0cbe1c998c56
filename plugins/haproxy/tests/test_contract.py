"""Hold the proxy to the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stagecraft_haproxy.proxy import Haproxy
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.contract.proxy import ProxyContract
from stagecraft_hookspecs.proxy import Limits, Route

from .conftest import Lab, free_port


class TestHaproxy(ProxyContract):
    @pytest.fixture
    def provider(self) -> Haproxy:
        return Haproxy()

    # the real proxy proves these in TestSteps; there is no engine here
    test_steps_can_be_repeated = None  # type: ignore[assignment]
    test_serves_what_it_was_switched_to = None  # type: ignore[assignment]


@pytest.mark.needs("docker")
class TestSteps:
    """The suite's steps, on a real engine."""

    @pytest.fixture
    def suite(self, lab: Lab) -> Iterator[ProxyContract]:
        one, two, web = lab.app("v1"), lab.app("v2"), lab.app("web")
        ports = (free_port(), free_port())

        class Suite(ProxyContract):
            def routes(self) -> tuple[Route, ...]:
                api = {"hosts": ("shop.example.com",), "path": "/api", "strip": True}
                return (
                    Route("api-80", "api", ports[0], 8000, **api, targets=(one, two)),  # type: ignore[arg-type]
                    Route("down-81", "web", ports[1], 8000, grace=1.0),
                    Route("web-80", "web", ports[0], 8000, limits=Limits(body=1 << 20), targets=(web,)),
                )

            def ready(self, ctx: FakeContext) -> Any:
                return lab.ctx

        yield Suite()

    @pytest.mark.parametrize("case", ["test_steps_can_be_repeated", "test_serves_what_it_was_switched_to"])
    def test_contract(self, suite: ProxyContract, case: str, tmp_path: Path) -> None:
        getattr(suite, case)(Haproxy(), tmp_path)
