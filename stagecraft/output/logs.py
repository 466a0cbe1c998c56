"""Print log lines of several services and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft.output.sink import Sink
    from stagecraft.run.logs import Line

_COLORS = ("36", "32", "33", "35", "34", "96", "92", "93", "95", "94")


class Printer:
    """Print each line behind its service's name, and its host's where there are several."""

    def __init__(self, sink: Sink, hosts: Sequence[str], services: Sequence[str]) -> None:
        self._sink = sink
        self._hosts = max(map(len, hosts)) if len(hosts) > 1 else 0
        self._services = max(map(len, services), default=0)
        pairs = [(host, service) for service in services for host in hosts]
        self._color = {pair: _COLORS[n % len(_COLORS)] for n, pair in enumerate(pairs)}

    def show(self, line: Line) -> None:
        """Print a line, or with ``--json`` its document."""
        if self._sink.json:
            self._sink.emit(
                {"host": line.host, "service": line.service, "time": line.time, "line": line.text}, line=True
            )
            return
        host = f"{line.host:<{self._hosts}} " if self._hosts else ""
        prefix = f"{host}{line.service:<{self._services}} |"
        color = self._color.get((line.host, line.service), "36")
        self._sink.say(f"{self._sink.style(prefix, color)} {line.text}")

    def note(self, host: str, words: str) -> None:
        """Say something about a host on stderr."""
        self._sink.note(self._sink.style("warning:", "33", self._sink.err) + f" {host}: {words}")
