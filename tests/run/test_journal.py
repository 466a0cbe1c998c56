"""What the journal of a killed run tells the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.values import Operation, Phase

from stagecraft.run.journal import Journal

SWITCH = Operation("switch:local", Phase.ROLLOUT, "runtime.switch", "process")
RETIRE = Operation("retire:local", Phase.FINALIZE, "runtime.retire", "process")


class Kept:
    """Keep a journal's entries in memory."""

    def __init__(self) -> None:
        self.log: list[Mapping[str, Any]] = []

    def append(self, entry: Mapping[str, Any]) -> None:
        self.log.append(dict(entry))

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.log)

    def put(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    def get(self, name: str) -> bytes | None:
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        raise NotImplementedError


def test_an_operation_that_a_killed_run_began_is_known_as_begun_and_not_as_done() -> None:
    """Between the two it may have changed something, so an undo must not pass it over."""
    store = Kept()
    former = Journal(store)
    former.begin(SWITCH)
    assert former.begun(SWITCH)
    after = Journal(store)
    assert after.begun(SWITCH)
    assert not after.done(SWITCH)
    assert not after.begun(RETIRE)


def test_an_operation_that_was_finished_is_done() -> None:
    store = Kept()
    former = Journal(store)
    former.begin(SWITCH)
    former.finish(SWITCH, {})
    assert Journal(store).done(SWITCH)
    assert Journal(store).begun(SWITCH)


def test_a_result_that_is_not_json_is_left_out_and_the_operation_is_done() -> None:
    """A plugin may return what its command returned; the work is done, so that must not fail the deploy."""
    store = Kept()
    Journal(store).finish(RETIRE, object())
    Journal(store).finish(SWITCH, {"seconds": 1.5})
    assert [entry["result"] for entry in store.log] == [None, {"seconds": 1.5}]
    assert Journal(store).done(RETIRE)
