"""No request is lost: all kinds of them, over switches and a reload."""

from __future__ import annotations

import os

import attrs
import pytest

from tests.load import Load, Target

from .conftest import Lab, docker

pytestmark = pytest.mark.needs("docker")

#: Requests a second: 300 on a machine that is measured, fewer in a test that must pass beside others.
RATE = float(os.environ.get("STAGECRAFT_LOAD_RATE", "100"))
SWITCHES = int(os.environ.get("STAGECRAFT_LOAD_SWITCHES", "3"))
SECONDS = float(os.environ.get("STAGECRAFT_LOAD_SECONDS", "0"))
RATES = {"get": 0.4 * RATE, "close": 0.15 * RATE, "post": 0.35 * RATE, "stream": 0.03 * RATE, "ws": 0.07 * RATE}


def test_nothing_is_lost_over_switches_and_a_reload(lab: Lab) -> None:
    """Each switch ends with the old version's end, which drains nothing by itself."""
    old = lab.app("v0")
    route = lab.route()
    lab.ensure(route)
    lab.switch(lab.route(old))
    reloaded, workers = 0, lab.workers()
    with Load([Target("127.0.0.1", lab.port, "shop.test")], RATES) as load:
        lab.ctx.sleep(0.5)
        for number in range(1, SWITCHES + 1):
            new = lab.app(f"v{number}")
            if number == SWITCHES // 2 + 1:
                lab.ensure(route, lab.route(id="extra", path="/extra"))
                reloaded += lab.workers() != workers
                lab.switch(lab.route(new), lab.route(new, id="extra", path="/extra"))
            elif number > SWITCHES // 2:
                lab.switch(lab.route(new), lab.route(new, id="extra", path="/extra"))
            else:
                lab.switch(lab.route(new))
            busy = lab.drain(old, deadline=3)
            docker("stop", "-t", "3", lab.apps[old.address])
            lab.stop(old)
            assert set(busy) <= {attrs.evolve(old)}
            old = new
            lab.ctx.sleep(max(0.3, SECONDS / SWITCHES))
    results = load.results
    print(results)
    assert reloaded == 1
    assert results.lost == 0, str(results)
    assert all(len(k.versions) > 1 for k in results.kinds.values()), str(results)
    assert results.kinds["ws"].reconnects >= SWITCHES
