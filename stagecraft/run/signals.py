"""Turn SIGINT, SIGTERM and SIGHUP into the interruption of whatever runs; whoever cleans up takes over the next one."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator

from stagecraft_hookspecs.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Ends the thread that calls the handlers; no signal has this number.
_OVER = 0


class Interrupts:
    """Hold what a signal interrupts: the innermost handler that was pushed.

    Each is called with the reason; the work checks its scope and stops by itself, so that what it had begun is recorded and undone.

    They are called in a thread of their own. A signal can come while the main thread has any lock, such as that of an event that
    it waits for or that a former signal is just setting: setting it there would wait for ever.
    """

    def __init__(self) -> None:
        self._handlers: list[Callable[[Interrupted], None]] = []
        # the one queue whose `put` may be called from a signal handler
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    @contextlib.contextmanager
    def handled_by(self, handler: Callable[[Interrupted], None]) -> Iterator[None]:
        """Let signals go to ``handler`` within the block."""
        self._handlers.append(handler)
        try:
            yield
        finally:
            self._handlers.remove(handler)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Catch the signals within the block; elsewhere than in the main thread, where Python allows none, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        threading.Thread(target=self._dispatch, name="stagecraft-signals", daemon=True).start()
        former = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            self._signals.put(_OVER)

    def _on_signal(self, number: int, frame: object) -> None:
        if not self._handlers:
            raise KeyboardInterrupt
        self._signals.put(number)

    def _dispatch(self) -> None:
        while (number := self._signals.get()) != _OVER:
            if self._handlers:
                reason = Interrupted(f"interrupted by {signal.Signals(number).name}", hint="run the command again")
                self._handlers[-1](reason)
