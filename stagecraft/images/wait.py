"""Wait for a call that blocks in the engine, so that an interrupt or a stall ends the waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from stagecraft_hookspecs.errors import TimedOut

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

T = TypeVar("T")

_LOOK = 0.05  # seconds between two looks at the interrupt; a call that returns is noticed at once


class Left(Exception):
    """Nobody waits for the call any more."""


def attend(ctx: Context, what: str, work: Callable[[Callable[[], None]], T], *, stall: float) -> T:
    """Return what ``work`` returns; it runs in a thread and reports each sign of life by calling what it is given.

    Args:
        stall: Seconds without a sign of life after which the call counts as hung.

    Raises:
        TimedOut: It stalled.
        Interrupted: The run was interrupted. The thread ends at its next sign of life, at the latest with the process.
    """
    call = _Call(work, ctx.monotonic)
    threading.Thread(target=call.run, name=f"stagecraft: {what}", daemon=True).start()
    try:
        while not call.done.wait(_LOOK):
            ctx.sleep(0)
            if ctx.monotonic() - call.seen > stall:
                raise TimedOut(
                    f"cannot {what}: nothing came for {stall:g} seconds", hint="check the network, and deploy again"
                )
    except BaseException:
        call.left = True
        raise
    return call.outcome()


class _Call(Generic[T]):
    def __init__(self, work: Callable[[Callable[[], None]], T], monotonic: Callable[[], float]) -> None:
        self._work, self._monotonic = work, monotonic
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.done, self.left, self.seen = threading.Event(), False, monotonic()

    def run(self) -> None:
        try:
            self._value.append(self._work(self._beat))
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _beat(self) -> None:
        self.seen = self._monotonic()
        if self.left:
            raise Left
