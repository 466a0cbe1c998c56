"""Read the services' log lines of several hosts, merged in the order of their times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.runtime import LogQuery, View

from stagecraft.run.fleet import Failure, each
from stagecraft.run.selection import Selection, choose

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Instance
    from stagecraft_hookspecs.values import Command, Host

    from stagecraft.context import RunContext
    from stagecraft.project import Project

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z (.*)", re.DOTALL)


@attrs.frozen
class Line:
    """Hold one log line.

    Attributes:
        time: As the runtime tells it, RFC 3339 and UTC; empty where it tells none.
        order: What it is sorted by: ``time`` with nine decimals, or that of the line before it.
    """

    host: str
    service: str
    text: str
    time: str = ""
    order: str = ""


class Parser:
    """Take apart what a runtime prints on one host. A line without a time is given that of the line before it."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._last = ""

    def __call__(self, printed: str) -> Line | None:
        """Return the line; None for words that are no log line: the runtime's own."""
        service, separator, text = printed.partition(" |")
        if not separator:
            return None
        text = text.removeprefix(" ")
        found = _STAMP.fullmatch(text + ("" if " " in text else " "))
        if found is None:
            return Line(self._host, service.strip(), text, order=self._last)
        seconds, fraction, rest = found.groups()
        self._last = f"{seconds}.{fraction or '':0<9}"
        return Line(self._host, service.strip(), rest, text.partition(" ")[0], self._last)


@attrs.frozen
class Source:
    """Know how to read the logs of a host."""

    project: Project
    services: tuple[str, ...]

    def observe(self, ctx: RunContext, host: Host) -> tuple[Instance, ...]:
        """Return the instances on a host."""
        with self.project.blamed():
            return self.project.runtime.observe(ctx, host)

    def command(
        self, ctx: RunContext, host: Host, instances: Sequence[Instance], *, follow: bool, since: float, tail: int
    ) -> Command:
        """Return the command that prints the lines."""
        view = View(ctx.project, ctx.environment, host, ctx.home(host), "", tuple(instances))
        with self.project.blamed():
            query = LogQuery(self.services, follow, since, tail, timestamps=True)
            return self.project.renderer().logs(view, query)


@attrs.frozen
class Wanted:
    """Say which lines are wanted, where from, and where they go.

    Attributes:
        show: Gets each line, in order.
        note: Gets words about a host, ``(host, words)``.
    """

    selection: Selection
    since: float
    tail: int
    show: Callable[[Line], None]
    note: Callable[[str, str], None]


def select(project: Project, hosts: Sequence[str], services: Sequence[str], roles: Sequence[str]) -> Selection:
    """Return the hosts, and the services by name; raises NotFound."""
    chosen = choose(project, hosts, services, roles)
    return attrs.evolve(chosen, services=chosen.services or tuple(project.services))


def read(project: Project, ctx: RunContext, wanted: Wanted) -> tuple[Failure, ...]:
    """Show the lines that there are, and return the hosts whose lines could not be had.

    Raises:
        ProviderError: No host could be asked.
    """
    source = Source(project, wanted.selection.services)

    def lines(host: Host) -> list[Line]:
        found: list[Line] = []
        parse = Parser(host.name)

        def take(printed: str) -> None:
            if line := parse(printed):
                found.append(line)

        instances = source.observe(ctx, host)
        command = source.command(ctx, host, instances, follow=False, since=wanted.since, tail=wanted.tail)
        ctx.machine(host).run(command, on_line=take)
        return found

    gathered = each(ctx, wanted.selection.hosts, lines).unless_all_failed()
    for line in sorted((line for found in gathered.found.values() for line in found), key=lambda line: line.order):
        wanted.show(line)
    return gathered.failures
