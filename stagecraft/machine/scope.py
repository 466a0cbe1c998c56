"""Interrupt work: a scope is cancelled once, by a signal, a failure elsewhere, or its deadline."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from stagecraft_hookspecs.errors import Interrupted, StagecraftError, TimedOut


class Scope:
    """Hold whether the work in it should stop. A child is cancelled with its parent, not the other way round.

    Args:
        parent: The scope around this one.
        deadline: Seconds until the work must be over; 0 means no deadline.
        monotonic: The clock; tests inject their own.
    """

    def __init__(
        self, parent: Scope | None = None, deadline: float = 0.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._event = threading.Event()
        self._reason: StagecraftError | None = None
        self._children: list[Scope] = []
        self._callbacks: list[Callable[[], None]] = []
        self._timer: threading.Timer | None = None
        self.monotonic = monotonic
        self._ends = monotonic() + deadline if deadline else 0.0
        self._seconds = deadline
        if parent is not None:
            parent._adopt(self)

    def cancel(self, reason: StagecraftError | None = None) -> None:
        """Stop the work in this scope and below; the first reason stands."""
        if self._reason is None:
            self._reason = reason or Interrupted("interrupted", hint="run the command again")
        self._event.set()
        for callback in list(self._callbacks):
            callback()
        for child in list(self._children):
            child.cancel(self._reason)

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called when the work should stop, at once if it should already; return what takes that back.

        It is for calls that block where nothing asks ``check``: it must end them without waiting itself.
        """
        self._callbacks.append(callback)
        if self._event.is_set():
            callback()
        elif self._ends and self._timer is None:
            self._arm()

        def forget() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return forget

    @property
    def cancelled(self) -> bool:
        """Tell whether the work should stop."""
        return self._event.is_set() or self._late

    def check(self) -> None:
        """Raise the reason if the work should stop."""
        if self._event.is_set():
            assert self._reason is not None
            raise self._reason
        if self._late:
            raise self._too_late

    def sleep(self, seconds: float) -> None:
        """Wait, and raise as soon as the work should stop."""
        self.check()
        if self._ends:
            seconds = min(seconds, max(0.0, self._ends - self.monotonic()))
        self._event.wait(seconds)
        self.check()

    @property
    def _late(self) -> bool:
        return bool(self._ends) and self.monotonic() >= self._ends

    def _arm(self) -> None:
        """Cancel at the deadline, for whoever does not look at the clock."""
        self._timer = threading.Timer(max(0.05, self._ends - self.monotonic()), self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _expire(self) -> None:
        if not self._late:
            self._arm()
        elif not self._event.is_set():
            self.cancel(self._too_late)

    @property
    def _too_late(self) -> TimedOut:
        return TimedOut(f"not finished within {self._seconds:g} seconds")

    def _adopt(self, child: Scope) -> None:
        self._children.append(child)
        if self._event.is_set():
            child.cancel(self._reason)
