"""Draw a run on a terminal: a spinner with elapsed time for each operation that runs, its end as a line above."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from stagecraft_hookspecs.values import Operation, OperationRecord, Status

from stagecraft.output.report import Reporter

if TYPE_CHECKING:
    from stagecraft.output.sink import Sink


class _Scrubbed:
    """Be the stream that the console writes to, with every secret taken out."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, text: str) -> int:
        # a terminal that was closed must not stop what runs, nor what undoes it
        with contextlib.suppress(OSError):
            self._sink.words.write(self._sink.scrub(text))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._sink.words.flush()

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._sink.words.fileno()


class LiveReporter(Reporter):
    """Add a block at the bottom that shows what runs now."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._console = Console(
            file=cast("TextIO", _Scrubbed(sink)),
            highlight=False,
            soft_wrap=True,
            color_system="auto" if sink.color else None,
        )
        self._running: dict[str, tuple[float, str, str]] = {}
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=10, transient=True)
        self._live.start()

    def operation(self, operation: Operation, record: OperationRecord) -> None:
        """Show the operation while it runs, then print how it ended."""
        if record.status is Status.RUNNING:
            self._running[operation.id] = (self._clock(), operation.description, "")
            return
        self._running.pop(operation.id, None)
        super().operation(operation, record)

    def progress(self, operation: str, message: str, *, service: str = "", host: str = "") -> None:
        """Show the message beside the operation's spinner."""
        if operation in self._running and message.strip():
            began, description, _ = self._running[operation]
            self._running[operation] = (began, description, message.strip().splitlines()[-1])

    def close(self) -> None:
        """Take the block away; what is printed from here on stands below all that was printed before."""
        self._live.stop()

    def _print(self, text: str) -> None:
        # through the console, which knows where the block stands: written past it, a line would end up inside of it
        if self._live.is_started:
            self._console.print(Text.from_ansi(text))
        else:
            super()._print(text)

    def _draw(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, (began, description, message) in sorted(self._running.items()):
            seconds = f"{self._clock() - began:.1f} s"
            room = max(20, self._console.width - len(name) - 16)
            text = (message or description)[:room]
            table.add_row(" ", self._spinner, f"[cyan]{escape(name)}[/]", escape(text), f"[dim]{seconds}[/]")
        return table
