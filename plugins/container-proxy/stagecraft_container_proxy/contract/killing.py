"""Killed at every step, and run again: the outcome is the one of a run that was left alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import LOCAL

from stagecraft_container_proxy.contract.base import Base
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port
from stagecraft_container_proxy.contract.mortal import Killed, MortalContext

MOST = 80


@pytest.mark.skipif(
    not os.environ.get("STAGECRAFT_ALL_FAULTS"), reason="minutes long; STAGECRAFT_ALL_FAULTS=1 runs it too"
)
class KillingSuite(Base):
    """Give the fixture ``proxy``. Each test runs a step dozens of times."""

    @pytest.mark.timeout(400)
    def test_a_first_ensure_that_is_killed(self, lab: Lab) -> None:
        """Whatever is left, the next ensure makes one container that serves."""
        routes = (lab.route(lab.app("blue")),)
        assert _everywhere(lab, lambda: lab.proxy.remove(lab.ctx, LOCAL), "ensure", routes) >= 5

    @pytest.mark.timeout(400)
    def test_a_switch_that_is_killed(self, lab: Lab) -> None:
        """Some routes may have moved; the next switch moves all."""
        blue, green = lab.app("blue"), lab.app("green")
        two = free_port(lab.address)
        lab.ensure(lab.route(blue), lab.route(blue, id="two", listen=two))

        def begin() -> None:
            lab.switch(lab.route(blue), lab.route(blue, id="two", listen=two))

        routes = (lab.route(green, id="two", listen=two), lab.route(green))
        assert _everywhere(lab, begin, "switch", routes) >= 2

    @pytest.mark.timeout(400)
    def test_a_change_of_listeners_that_is_killed(self, lab: Lab) -> None:
        """The former listeners or the new ones; after the next switch, the new ones."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        second: list[int] = []

        def begin() -> None:
            second[:] = [free_port(lab.address)]  # a listener that was opened once may stay open
            lab.switch(lab.route(blue))

        def routes() -> tuple[Route, ...]:
            return (lab.route(green, id="two", listen=second[0]), lab.route(green))

        assert _everywhere(lab, begin, "switch", routes) >= 5

    @pytest.mark.timeout(400)
    def test_a_remove_that_is_killed(self, lab: Lab) -> None:
        """The next one removes what is left."""
        for steps in range(MOST):
            lab.ensure(lab.route(lab.app("blue")))
            try:
                lab.proxy.remove(MortalContext(lab.ctx, steps), LOCAL)
            except Killed:
                lab.proxy.remove(lab.ctx, LOCAL)
            else:
                break
            assert docker("ps", "-aq", "--filter", f"label=io.stagecraft.proxy.project={lab.ctx.project}") == ""
        assert 3 <= steps < MOST - 1


def _everywhere(
    lab: Lab, begin: Callable[[], object], step: str, routes: tuple[Route, ...] | Callable[[], tuple[Route, ...]]
) -> int:
    """Run a step from the same beginning, killed after 0, 1, 2 … changes, and then once more in full; return the kills."""
    for steps in range(MOST):
        begin()
        wanted = routes() if callable(routes) else routes
        try:
            getattr(lab.proxy, step)(MortalContext(lab.ctx, steps), LOCAL, wanted)
        except Killed:
            getattr(lab.proxy, step)(lab.ctx, LOCAL, wanted)
            expected = {r.id: tuple(f"{t.address}:{t.port}" for t in r.targets) for r in wanted}
            assert lab.serving() == expected, f"killed after {steps} changes"
            for route in wanted:
                assert eventually(lambda port=route.listen: lab.ask(port=port).status == 200)  # type: ignore[misc]
            kept = docker("ps", "-a", "--format", "{{.Names}}", "--filter", f"name={lab.container}")
            assert kept == lab.container
        else:
            return steps
    raise AssertionError(f"{step} makes more than {MOST} changes")
