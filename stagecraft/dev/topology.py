"""Compute the development stack from configuration, compose file and providers. Nothing runs, nothing else is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import Process

from stagecraft.dev.ports import local_port
from stagecraft.dev.watching import compiled

if TYPE_CHECKING:
    from stagecraft.project import Project

#: The environment's name while developing.
ENVIRONMENT = "dev"

#: A process's name is a prefix, a file's name and a word to type.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


@attrs.frozen
class Part:
    """Hold one process of the stack and what it stands for.

    Attributes:
        kind: ``backend`` or ``frontend``.
        service: The compose service that it stands in for; empty for none.
    """

    kind: str
    service: str
    process: Process

    @property
    def name(self) -> str:
        """Return the process's name."""
        return self.process.name


@attrs.frozen
class Topology:
    """Say what a development session consists of.

    Attributes:
        project: The project's name.
        parts: The processes in the order in which they start.
        env_files: Relative to the project, later over earlier.
        absent: Compose services that no process stands in for, sorted; the session does not start them.
    """

    project: str
    parts: tuple[Part, ...]
    env_files: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def processes(self) -> tuple[Process, ...]:
        """Return the processes in the order in which they start."""
        return tuple(part.process for part in self.parts)


def compute(project: Project, wanted: Sequence[str] = ()) -> Topology:
    """Return the topology of a project.

    Args:
        wanted: Names of processes, or of the compose services that they stand in for; none means all.

    Raises:
        NotFound: A wanted name is neither.
        UserError: There is no process at all, or the processes do not fit together.
    """
    parts = [part for kind, _ in _kinds(project) for part in _parts(project, kind)]
    if not parts:
        raise _nothing(project)
    _check(parts)
    stood_for = {part.service for part in parts}
    return Topology(
        project.config.project,
        ordered(select(parts, wanted)),
        project.config.env_files,
        tuple(sorted(name for name in project.services if name not in stood_for)),
    )


def select(parts: Sequence[Part], wanted: Sequence[str]) -> tuple[Part, ...]:
    """Return the wanted parts alone; what they depend on and was not wanted is not waited for."""
    known = {part.name for part in parts} | {part.service for part in parts if part.service}
    for name in wanted:
        if name not in known:
            raise NotFound("process or service with a development command", name, known)
    kept = [p for p in parts if not wanted or p.name in wanted or (p.service and p.service in wanted)]
    names = {part.name for part in kept}
    return tuple(
        attrs.evolve(
            p, process=attrs.evolve(p.process, depends_on=tuple(d for d in p.process.depends_on if d in names))
        )
        for p in kept
    )


def ordered(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts so that each comes after those it depends on, and else as they are: backend, then frontend."""
    left, found, done = list(parts), [], set[str]()
    while left:
        part = next(p for p in left if done.issuperset(p.process.depends_on))
        left.remove(part)
        found.append(part)
        done.add(part.name)
    return tuple(found)


def _kinds(project: Project) -> Iterator[tuple[str, str]]:
    for kind, provider in project.applications():
        yield kind, provider.name


def _parts(project: Project, kind: str) -> Iterator[Part]:
    provider = project.provider(kind)
    with project.blamed():
        service = provider.service(project.view)
        processes = tuple(provider.dev(project.view))
    for process in processes:
        yield Part(kind, service if service in project.services else "", process)


def _check(parts: Sequence[Part]) -> None:
    """Raise UserError where the processes do not fit together."""
    owners: dict[str, str] = {}
    for part in parts:
        if not _NAME.fullmatch(part.name):
            raise UserError(
                f"the {part.kind}'s process {part.name!r} has no usable name",
                hint="letters, digits, `.`, `_` and `-`, at most 64 of them",
            )
        if part.name in owners:
            raise UserError(
                f"{owners[part.name]} and {part.kind} both have a process {part.name!r}",
                hint="choose another provider for one of them, or give its process another name",
            )
        owners[part.name] = part.kind
        if not part.process.command.argv:
            raise UserError(
                f"{part.name} has an empty development command",
                hint=f"give it as a list of words: `{part.kind}: {{dev: {{command: [npm, run, dev]}}}}`",
            )
        try:
            re.compile(part.process.ready.line)
        except re.error as error:
            raise UserError(
                f"{part.name} is to be ready at a line that is no regular expression: {error}",
                hint=f"mend {part.process.ready.line!r}",
            ) from None
        _check_watch(part)
    _check_order({part.name: part.process.depends_on for part in parts})
    _check_ports(parts)


def _check_watch(part: Part) -> None:
    for pattern in part.process.watch:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise UserError(
                f"{part.name} watches {pattern!r}, which leaves the project",
                hint="globs are relative to the project's folder: `api/**/*.py`",
            )
        try:
            compiled([pattern])
        except re.error as error:
            raise UserError(f"{part.name} watches {pattern!r}, which is no glob: {error}", hint="mend it") from None


def _check_order(needs: Mapping[str, tuple[str, ...]]) -> None:
    for name, others in needs.items():
        for other in others:
            if other not in needs:
                raise UserError(
                    f"{name} depends on the process {other!r}, which there is not",
                    hint=f"there are: {', '.join(sorted(needs))}",
                )
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise UserError(
            f"processes depend on each other in a circle: {' -> '.join(error.args[1])}",
            hint="take one `depends_on` away",
        ) from None


def _check_ports(parts: Sequence[Part]) -> None:
    taken: dict[int, str] = {}
    for part in parts:
        port = local_port(part.process.ready)
        if port and port in taken:
            raise UserError(
                f"{taken[port]} and {part.name} both want port {port}", hint="give one of them another port"
            )
        if port:
            taken[port] = part.name


def _nothing(project: Project) -> UserError:
    kinds = [f"{kind} {name!r}" for kind, name in _kinds(project)]
    said = f"neither {' nor '.join(kinds)} has" if len(kinds) > 1 else f"{kinds[0]} has" if kinds else "nothing has"
    return UserError(
        f"{said} a development command{'' if kinds else ': no backend and no frontend is configured'}",
        hint=f"add one to {project.config.path.name}: "
        "`backend: {provider: generic, dev: {command: [npm, run, dev], workdir: ./api}}`",
    )
