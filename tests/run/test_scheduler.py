"""Operations run as their dependencies allow; the first failure ends the rest."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import Interrupted, ProviderError
from stagecraft_hookspecs.values import Operation, Phase

from stagecraft.machine.scope import Scope
from stagecraft.run.scheduler import run_all


def operation(name: str, *depends_on: str) -> Operation:
    return Operation(name, Phase.BUILD, "x", "test", depends_on=depends_on)


@given(st.integers(1, 12), st.integers(1, 5), st.randoms(use_true_random=False))
def test_each_runs_once_and_after_those_it_depends_on(count: int, limit: int, random: object) -> None:
    names = [f"o{i}" for i in range(count)]
    operations = [
        operation(name, *[d for d in names[:index] if random.random() < 0.4])  # type: ignore[attr-defined]
        for index, name in enumerate(names)
    ]
    done: list[str] = []
    lock = threading.Lock()

    def perform(one: Operation) -> None:
        with lock:
            assert set(one.depends_on) <= set(done)
            done.append(one.id)

    run_all(operations, perform, Scope(), limit=limit, cancelled=lambda o, why: pytest.fail(f"{o.id} was cancelled"))
    assert sorted(done) == sorted(names)


def test_those_without_dependencies_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=5)
    run_all(
        [operation(n) for n in "abc"],
        lambda o: barrier.wait() and None,
        Scope(),
        limit=3,
        cancelled=lambda o, why: None,
    )


def test_never_more_at_once_than_the_limit() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def perform(one: Operation) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    run_all([operation(f"o{i}") for i in range(8)], perform, Scope(), limit=2, cancelled=lambda o, why: None)
    assert most == 2


def test_a_failure_cancels_what_runs_beside_it_and_what_comes_behind_it() -> None:
    scope = Scope()
    beside = threading.Event()
    seen: list[str] = []

    def perform(one: Operation) -> None:
        if one.id == "bad":
            assert beside.wait(5)
            raise ProviderError("it broke")
        if one.id == "long":
            beside.set()
            scope.sleep(30)
        seen.append(one.id)

    cancelled: dict[str, str] = {}
    began = time.monotonic()
    with pytest.raises(ProviderError, match="it broke"):
        run_all(
            [operation("bad"), operation("long"), operation("behind", "bad")],
            perform,
            scope,
            limit=2,
            cancelled=lambda o, why: cancelled.update({o.id: why}),
        )
    assert time.monotonic() - began < 5
    assert seen == [] and cancelled == {"behind": "it broke"}


def test_an_interruption_begins_nothing_more() -> None:
    scope = Scope()
    begun: list[str] = []

    def perform(one: Operation) -> None:
        begun.append(one.id)
        scope.cancel(Interrupted("interrupted by SIGINT"))

    cancelled: list[str] = []
    with pytest.raises(Interrupted, match="SIGINT"):
        run_all(
            [operation("a"), operation("b", "a")],
            perform,
            scope,
            limit=1,
            cancelled=lambda o, why: cancelled.append(o.id),
        )
    assert begun == ["a"] and cancelled == ["b"]
