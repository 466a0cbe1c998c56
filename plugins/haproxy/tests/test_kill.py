"""A step that is killed anywhere is finished by repeating it, and users notice nothing meanwhile."""

from __future__ import annotations

import signal

import pytest
from stagecraft_hookspecs.values import LOCAL

from tests.load import Load, Target

from .conftest import Lab

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(300)]


def test_ensure_killed_before_any_of_its_effects_is_finished_by_the_next(lab: Lab) -> None:
    routes = (lab.route(),)
    effects = int(lab.killed("ensure", routes, 0).stdout)
    assert effects > 8
    for number in range(1, effects + 1, 2):
        lab.proxy().remove(lab.ctx, LOCAL)
        assert lab.killed("ensure", routes, number).returncode == -signal.SIGKILL, number
        lab.ensure(*routes)
        assert lab.get()[0] == 503, number


def test_switch_killed_before_any_of_its_effects_loses_nothing(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    add = lab.route(id="api", path="/api")
    lab.switch(lab.route(one))
    number = 0
    with Load([Target("127.0.0.1", lab.port)], {"get": 25, "post": 25}) as load:
        while True:
            number += 1
            # targets and structure change at once, there and back
            routes = (lab.route(two), add) if number % 2 else (lab.route(one),)
            done = lab.killed("switch", routes, number)
            lab.switch(*routes)
            wanted = two if number % 2 else one
            assert lab.serving()["web"] == (f"{wanted.address}:8000",), number
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
    assert number > 6
    assert load.results.lost == 0, str(load.results)
