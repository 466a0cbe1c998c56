"""Say on stderr which hosts failed and why, each with its next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft.output.sink import Sink
    from stagecraft.run.fleet import Failure


def note_failures(sink: Sink, failures: Iterable[Failure]) -> None:
    """Print a line per host, and its hint."""
    for failure in failures:
        sink.note(sink.style("error:", "1;31", sink.err) + f" {failure.host}: {failure.error.message}")
        for line in failure.error.detail.splitlines():
            sink.note(f"  {line}")
        if failure.error.hint:
            sink.note(sink.style("hint:", "36", sink.err) + f" {failure.error.hint}")
