"""One log of many processes: prefixed lines that are never torn, through the one sink, and each process's own file."""

from __future__ import annotations

import errno
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError

from stagecraft.dev.lines import Cutter, plain, tidy

if TYPE_CHECKING:
    from stagecraft.dev.logfile import LogFile
    from stagecraft.output.sink import Sink

#: The prefix of the supervisor's own lines.
SELF = "stagecraft"

#: Lines that a failure repeats.
TAIL = 10

_COLORS = ("36", "35", "33", "32", "34", "96", "95", "93", "92", "94")
_OWN = "1"


class Log:
    """Write the session's log.

    Its own lines go through a queue and a thread: whoever supervises is never held up by a terminal that is not read, so a
    signal is obeyed even then. The processes' lines are written by those who read them: a terminal that is slow slows the
    processes down, and nothing is lost or piled up.

    Args:
        names: The processes' names, in their order.
        on_lost: Told once, when nobody reads the log any more.
    """

    def __init__(
        self, sink: Sink, names: tuple[str, ...], on_lost: Callable[[StagecraftError | BrokenPipeError], None]
    ) -> None:
        self.sink, self._on_lost, self.lost = sink, on_lost, False
        self._width = max(len(name) for name in (*names, SELF))
        self._colors = {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(names)} | {SELF: _OWN}
        self._colored = sink.style("x", "1") != "x"
        self._queue: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._teller = threading.Thread(target=self._tell, name="dev-log", daemon=True)
        self._teller.start()

    def say(self, text: str, event: str = "", **more: Any) -> None:
        """Write a line of the supervisor's own; with ``--json`` an event as a document too. Returns at once."""
        self._queue.put((text, {"event": event, **more} if event else {}))

    def write(self, name: str, text: str) -> None:
        """Write lines of a process, scrubbed and tidied. Blocks while the log's reader is slow."""
        try:
            if self.lost:
                return
            if self.sink.json:
                self.sink.emit_lines({"process": name, "line": line} for line in plain(text).split("\n"))
            else:
                prefix = self.sink.style(f"{name:<{self._width}} |", self._colors[name]) + " "
                self.sink.say(prefix + (text if self._colored else plain(text)).replace("\n", "\n" + prefix))
        except (OSError, ValueError, StagecraftError) as error:
            self._lose(error)

    def close(self, timeout: float) -> bool:
        """Write what is still queued; return whether that was possible in the time."""
        self._queue.put(None)
        self._teller.join(timeout)
        return not self._teller.is_alive()

    def _tell(self) -> None:
        while (item := self._queue.get()) is not None:
            text, document = item
            try:
                if self.lost:
                    continue
                if self.sink.json and document:
                    self.sink.emit(document, line=True)
                self.sink.say(self.sink.style(f"{SELF:<{self._width}} |", _OWN) + f" {text}")
            except (OSError, ValueError, StagecraftError) as error:
                self._lose(error)

    def _lose(self, error: Exception) -> None:
        if not self.lost:
            self.lost = True
            self._on_lost(lost(error))


def lost(error: Exception) -> StagecraftError | BrokenPipeError:
    """Return what ends the session when its log cannot be written: a closed terminal interrupts, a closed pipe ends quietly."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.EIO:
        return Interrupted("the terminal was closed", hint="run the command again")
    if isinstance(error, StagecraftError | BrokenPipeError):
        return error
    return ProviderError(f"cannot write the log: {error}", hint="look at what the output is redirected to")


class Stream:
    """Take one process's output: to the log, to its file, and the last lines kept for a failure.

    Args:
        watch: Sees each batch of whole lines without colours, for readiness.
    """

    def __init__(self, name: str, log: Log, file: LogFile, watch: Callable[[str], None]) -> None:
        self._name, self._log, self._file, self._watch = name, log, file, watch
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._lock = threading.Lock()

    def cutter(self) -> Cutter:
        """Return what cuts the output of a new run into lines."""
        return Cutter(self._log.sink.scrub)

    def lines(self, text: str | None) -> None:
        """Take whole lines, joined by line feeds."""
        if text is None:
            return
        shown = tidy(text)
        bare = plain(shown)
        with self._lock:
            self._tail.extend(bare.rsplit("\n", TAIL)[-TAIL:])
            self._file.write(bare)
        self._watch(bare)
        self._log.write(self._name, shown)

    def tail(self) -> str:
        """Return the last lines."""
        with self._lock:
            return "\n".join(self._tail)

    def forget(self) -> None:
        """Forget the last lines: a new run begins."""
        with self._lock:
            self._tail.clear()
