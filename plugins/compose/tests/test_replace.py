"""In which order a service's containers are replaced, without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose import replace, site
from stagecraft_compose.containers import Assignment, Container
from stagecraft_compose.memory import Unit
from stagecraft_compose.replace import Move
from stagecraft_hookspecs.runtime import Order, Policy, Update


def some(prefix: str, count: int, **more: Any) -> tuple[Container, ...]:
    return tuple(Container(f"{prefix}{n}", f"{prefix}{n}", "web", n, "running", **more) for n in range(count))


@pytest.mark.parametrize(
    ("old", "new", "parallelism", "batches"),
    [
        (1, 1, 1, [(1, 1)]),
        (3, 3, 1, [(1, 1), (1, 1), (1, 1)]),
        (3, 3, 2, [(2, 2), (1, 1)]),
        (3, 3, 0, [(3, 3)]),
        (3, 1, 1, [(3, 1)]),
        (1, 3, 1, [(1, 1), (0, 1), (0, 1)]),
        (2, 0, 1, [(2, 0)]),
        (0, 2, 1, [(0, 1), (0, 1)]),
    ],
)
def test_batches(old: int, new: int, parallelism: int, batches: list[tuple[int, int]]) -> None:
    move = Move("web", some("new", new), some("old", old), update=Update(parallelism=parallelism))

    assert [(len(stop), len(start)) for stop, start in replace.batches(move)] == batches


def test_how_many_failures_are_tolerated() -> None:
    move = Move("web", some("new", 4), update=Update(max_failure_ratio=0.25))

    assert replace.tolerated(move, 1)
    assert not replace.tolerated(move, 2)
    assert not replace.tolerated(Move("web", some("new", 1)), 1)
    assert replace.tolerated(Move("web", some("new", 1), update=Update(failure_action="continue")), 1)


FIRST, STOP = Policy(Order.START_FIRST), Policy(Order.STOP_FIRST)
PORT = {"ports": [{"target": 1, "published": "1", "protocol": "tcp"}]}
AFTER_DB = {"depends_on": {"db": {"condition": "service_healthy"}}}


def early(**services: tuple[dict[str, Any], Policy, Assignment]) -> tuple[str, ...]:
    units = {name: Unit("f", 1, definition=d) for name, (d, _, _) in services.items()}
    policies = {name: p for name, (_, p, _) in services.items()}
    return site.early({name: a for name, (_, _, a) in services.items()}, units, policies)


def test_what_may_start_before_the_switch() -> None:
    new = Assignment("x", ready=some("new", 1))
    replaced = Assignment("x", ready=some("new", 1), others=some("old", 1))

    assert early(web=({}, FIRST, replaced)) == ("web",)
    assert early(web=({}, STOP, replaced)) == ()
    assert early(web=({}, STOP, new)) == ("web",)  # nothing to stop first
    assert early(web=(PORT, STOP, new)) == ()  # something else may hold the port until the switch
    assert early(db=({}, STOP, replaced), web=(AFTER_DB, FIRST, replaced)) == ("web",)  # the old database serves it
    assert early(db=(PORT, STOP, new), web=(AFTER_DB, FIRST, new)) == ()
    assert early(db=({}, FIRST, new), web=(AFTER_DB, FIRST, new)) == ("db", "web")


def test_instances_that_share_an_anonymous_volume_are_never_side_by_side() -> None:
    shared = Assignment("db", ready=some("new", 1), others=some("old", 1, volumes={"/data": "v"}))

    assert site.order_of(FIRST, shared) is Order.STOP_FIRST
