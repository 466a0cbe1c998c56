"""Show a run: phases, operations, log lines and progress. Plain lines here; ``live`` draws on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Operation, OperationRecord, Phase, Release, Status

if TYPE_CHECKING:
    from stagecraft.output.sink import Sink
    from stagecraft.plan.model import Plan

_STYLE = {Status.COMPLETED: "32", Status.FAILED: "1;31", Status.SKIPPED: "33", Status.RUNNING: "36"}
_LEVEL = {"warning": "33", "error": "1;31", "debug": "2"}


class Reporter:
    """Print plain lines that do not move: for logs, CI and pipes.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self.sink, self._clock = sink, clock
        self._began: dict[Phase, float] = {}
        self._width = 12
        self._since = clock()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the release began."""
        return self._clock() - self._since

    def begin(self, plan: Plan, release: Release) -> None:
        """Say which release begins."""
        self._since = self._clock()
        self._width = max([12, *(len(o.id) for o in plan.operations)])
        arrow = f"{release.command} {plan.project} to {plan.environment}"
        self._print(self.sink.style(f"{arrow}: version {release.version}, {release.id}", "1"))

    def phase(self, phase: Phase, status: Status) -> None:
        """Say that a phase begins; its end shows in its operations."""
        if status is Status.RUNNING:
            self._began[phase] = self._clock()
            self._print(self.sink.style(phase.value, "1;36"))

    def operation(self, operation: Operation, record: OperationRecord) -> None:
        """Say how an operation ended, or with ``--verbose`` that it began."""
        if record.status is Status.RUNNING:
            if self.sink.verbose:
                self._line(operation.id, f"… {operation.description}", "2")
            return
        mark = {Status.COMPLETED: "done", Status.FAILED: "failed", Status.SKIPPED: "skipped"}[record.status]
        seconds = f" in {record.seconds:.1f} s" if record.seconds >= 0.05 else ""
        text = f"{mark}{seconds}" + (f": {record.error}" if record.error else "")
        self._line(operation.id, text, _STYLE[record.status])

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        """Print a log line, named after what it concerns."""
        if level == "debug" and not self.sink.verbose:
            return
        where = ":".join(part for part in (host, service) if part)
        text = f"{where}: {message}" if where else message
        prefix = f"{level}: " if level in ("warning", "error") else ""
        style = _LEVEL.get(level, "")
        self._print("  " + (self.sink.style(prefix + text, style) if style else text))

    def progress(self, operation: str, message: str, *, service: str = "", host: str = "") -> None:
        """Show what an operation is doing; plain output leaves that out unless ``--verbose``."""
        if self.sink.verbose and message.strip():
            self._line(operation or service, message.strip(), "2")

    def clean(self, text: str) -> str:
        """Return text without secrets, fit to be recorded."""
        return self.sink.scrub(text)

    def close(self) -> None:
        """Stop drawing."""

    def _print(self, text: str) -> None:
        self.sink.tell(text)

    def _line(self, name: str, text: str, style: str) -> None:
        self._print(f"  {name:<{self._width}}  {self.sink.style(text, style)}")


def make_reporter(sink: Sink) -> Reporter:
    """Return the reporter that fits the stream: live on a terminal, plain elsewhere."""
    if sink.live and not sink.json and not sink.verbose:
        from stagecraft.output.live import LiveReporter

        return LiveReporter(sink)
    return Reporter(sink)
