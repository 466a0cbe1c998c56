"""Killed at every step, and run again: the outcome is the one of a run that was left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stagecraft_caddy import converge
from stagecraft_container_proxy.contract.lab import Lab, docker, free_port
from stagecraft_container_proxy.contract.mortal import Killed, MortalContext
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import LOCAL

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(300)]
MOST = 60


def kill_everywhere(lab: Lab, begin: Callable[[], object], step: str, routes: tuple[Route, ...]) -> int:
    """Run a step from the same beginning, killed after 0, 1, 2 … changes, and then once more in full; return the kills."""
    for steps in range(MOST):
        begin()
        try:
            getattr(lab.proxy, step)(MortalContext(lab.ctx, steps), LOCAL, routes)
        except Killed:
            getattr(lab.proxy, step)(lab.ctx, LOCAL, routes)
            expected = {r.id: tuple(f"{t.address}:{t.port}" for t in r.targets) for r in routes}
            assert lab.serving() == expected, f"killed after {steps} changes"
            assert [lab.ask(port=r.listen).status for r in routes] == [200] * len(routes)
            kept = docker("ps", "-a", "--format", "{{.Names}}", "--filter", f"name={lab.container}")
            assert kept == lab.container
        else:
            return steps
    raise AssertionError(f"{step} makes more than {MOST} changes")


def test_a_first_ensure(lab: Lab) -> None:
    routes = (lab.route(lab.app("blue")),)
    assert kill_everywhere(lab, lambda: lab.proxy.remove(lab.ctx, LOCAL), "ensure", routes) >= 8


def test_a_switch(lab: Lab) -> None:
    blue, green = lab.app("blue"), lab.app("green")
    two = free_port(lab.address)
    lab.ensure(lab.route(blue))

    def begin() -> None:
        lab.switch(lab.route(blue), lab.route(blue, id="two", listen=two))

    routes = (lab.route(green, id="two", listen=two), lab.route(green))
    assert kill_everywhere(lab, begin, "switch", routes) >= 3


def test_a_reload(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converge, "CLOSING", 0.05)
    blue, green = lab.app("blue"), lab.app("green")
    two = free_port(lab.address)
    lab.ensure(lab.route(blue))
    routes = (lab.route(green, id="two", listen=two), lab.route(green))
    assert kill_everywhere(lab, lambda: lab.switch(lab.route(blue)), "switch", routes) >= 8


def test_remove(lab: Lab) -> None:
    for steps in range(MOST):
        lab.ensure(lab.route(lab.app("blue")))
        try:
            lab.proxy.remove(MortalContext(lab.ctx, steps), LOCAL)
        except Killed:
            lab.proxy.remove(lab.ctx, LOCAL)
        else:
            break
        assert docker("ps", "-aq", "--filter", f"label=io.stagecraft.proxy.project={lab.ctx.project}") == ""
    assert steps >= 3
