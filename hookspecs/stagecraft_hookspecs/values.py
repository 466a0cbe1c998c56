"""Values that several kinds share. All are frozen, hold no behaviour that does I/O, and print no secret."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import attrs

#: How a secret is written where its value must not stand: in plans, bundles, rendered files, logs.
REFERENCE = "<secret:{name}>"


def reference(name: str) -> str:
    """Return what stands in for the secret ``name`` in anything that is printed or stored."""
    return REFERENCE.format(name=name)


class Phase(enum.StrEnum):
    """Name the six phases of a deploy, in their order."""

    BUILD = "build"
    PUSH = "push"
    MIGRATE_PRE = "migrate_pre"
    ROLLOUT = "rollout"
    MIGRATE_POST = "migrate_post"
    FINALIZE = "finalize"


class Status(enum.StrEnum):
    """Say how far a phase or an operation has come."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Severity(enum.StrEnum):
    """Grade a finding: ``error`` refuses the plan, ``warning`` and ``info`` are printed."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@attrs.frozen(order=True)
class Host:
    """Name a machine. ``LOCAL`` is this one and is a host like any other.

    Attributes:
        name: Unique within the environment.
        address: DNS name or IP; empty means the name itself.
        user: Login user; empty means the SSH configuration's.
        port: SSH port.
        roles: Sorted role names.
    """

    name: str
    address: str = ""
    user: str = ""
    port: int = 22
    roles: tuple[str, ...] = ()


LOCAL = Host("local")


@attrs.frozen(order=True)
class Image:
    """Name an image by what it holds.

    Attributes:
        name: Repository, with a tag where the user wrote one: ``registry.example.com/shop/api``.
        digest: ``sha256:…`` of the manifest or, without a registry, of the image's configuration; empty before it is known.
    """

    name: str
    digest: str = ""


@attrs.frozen
class Secret:
    """Carry a value that must not be seen. Its repr, str and JSON are masked; ``reveal()`` is the one way to the value."""

    name: str
    _value: str = attrs.field(repr=False)

    def reveal(self) -> str:
        """Return the value. Hand it to stdin, an environment or a 0600 file, never to argv, a log or the state."""
        return self._value

    def __str__(self) -> str:
        return reference(self.name)


def _words(argv: Iterable[str]) -> tuple[str, ...]:
    return tuple(argv)


@attrs.frozen
class Command:
    """Describe a process to run: built by pure code, run by a ``Machine``.

    Attributes:
        argv: The executable and its arguments; no shell reads them.
        cwd: Working directory; empty means the project's folder (or the login folder of a remote host).
        env: Added to the machine's environment; a ``Secret`` is revealed to the process alone.
        stdin: Bytes or a ``Secret`` for standard input.
        timeout: Seconds until the process group is ended; 0 means no deadline.
    """

    argv: tuple[str, ...] = attrs.field(converter=_words)
    cwd: str = ""
    env: Mapping[str, str | Secret] = attrs.field(factory=dict)
    stdin: bytes | Secret | None = attrs.field(default=None, repr=False)
    timeout: float = 0.0


@attrs.frozen
class Result:
    """Hold what a command did: argv, exit code (negative: the signal that ended it), output as text, seconds."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Tell whether the exit code was 0."""
        return self.exit_code == 0


@attrs.frozen
class Operation:
    """Describe one step of a deploy: everything that a deploy does belongs to one.

    Attributes:
        id: Unique in the plan and stable for the same inputs: ``build:api``.
        phase: In which phase it runs.
        action: What performs it, looked up among the performers that the phase hooks return: ``image.build``.
        provider: Name of the provider or plugin that contributed it.
        services: Sorted names of the services it concerns.
        hosts: Sorted names of the hosts it touches.
        depends_on: Ids of operations of the same phase that come first.
        description: One line in the user's words.
        inputs: JSON-like data the performer needs; secrets appear as references only.
    """

    id: str
    phase: Phase
    action: str
    provider: str
    services: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    description: str = ""
    inputs: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Finding:
    """Say what a plan noticed: a lint, with a stable code and a next step.

    Attributes:
        path: Where in the compose file or configuration, as keys: ``("services", "api", "ports")``.
    """

    code: str
    severity: Severity
    message: str
    hint: str = ""
    services: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


@attrs.frozen
class Change:
    """Describe one thing that ``apply`` will do, for kinds outside a deploy's phases (network, cloud, ci, secrets)."""

    id: str
    action: str
    subject: str
    description: str = ""
    inputs: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class File:
    """Hold a rendered file: content and mode. ``secret`` files are written 0600 and never stored in a release."""

    data: bytes = attrs.field(repr=False)
    mode: int = 0o644
    secret: bool = False


class Folder(Protocol):
    """Give the pure halves read-only sight of the project's own files, and of nothing else.

    Paths are relative, with ``/``; one that leaves the project (``..``, absolute, or through a symlink) raises ``UserError``.
    """

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder is there."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raises ``NotFound`` without one and ``UserError`` over the size limit."""
        ...

    def tree(self, path: str, limit: int) -> Mapping[str, File]:
        """Return every file at or below a path, with its mode, by its path in the project, sorted; links are followed.

        Raises ``NotFound`` without anything there, and ``UserError`` when it is more than ``limit`` bytes in all.
        """
        ...

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return matching files below the project, sorted; ``**`` crosses folders."""
        ...


@attrs.frozen
class Project:
    """Show a provider the project as its pure half may see it.

    Attributes:
        name: The project's name.
        environment: The environment's name; ``dev`` while developing.
        folder: The project's files.
        services: Service name to its definition as ``docker compose config --format json`` prints it (with real ``$``), sorted.
    """

    name: str
    environment: str
    folder: Folder
    services: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)


@attrs.frozen
class Detected:
    """Say that a provider recognises the project: the configuration it would want, and what it saw.

    Attributes:
        config: The provider's block as the user would write it.
        reason: What was seen: ``vite.config.ts``.
        weight: The greatest wins; 100 for a certain sign, 10 for a guess.
    """

    config: Mapping[str, Any]
    reason: str
    weight: int = 50


@attrs.frozen
class Ready:
    """Say when a dev process counts as ready: a port that accepts, a URL that answers below 500, or a log line that matches.

    With none given it is ready once started. ``timeout`` is in seconds.
    """

    port: int = 0
    url: str = ""
    line: str = ""
    timeout: float = 60.0


@attrs.frozen
class Process:
    """Describe a process of the development stack, for the supervisor to run.

    Attributes:
        name: The prefix of its log lines.
        command: What to run.
        ready: When those that depend on it may start.
        required: Whether its exit ends the stack.
        watch: Glob patterns whose change restarts it.
        depends_on: Names of processes that must be ready first.
    """

    name: str
    command: Command
    ready: Ready = Ready()
    required: bool = True
    watch: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


@attrs.frozen
class Build:
    """Describe an image to build, in the terms of the compose file's ``build``. The kernel builds it.

    Attributes:
        service: The compose service whose image it is.
        context: Folder relative to the project.
        dockerfile: Path relative to the context.
        dockerfile_inline: Content of a Dockerfile, instead of the path.
        target: Build stage.
        args: Build arguments. Not for secrets: they are kept in the image's history.
        secrets: Build secret id to the secret's name; mounted, never stored.
        platforms: ``linux/amd64`` and the like; empty means the engine's.
        labels: Image labels.
        cache_from: Images or cache sources.
        options: Every further key of the compose ``build`` block, unchanged.
    """

    service: str
    context: str = "."
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str = ""
    target: str = ""
    args: Mapping[str, str] = attrs.field(factory=dict)
    secrets: Mapping[str, str] = attrs.field(factory=dict)
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)
    cache_from: tuple[str, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class OperationRecord:
    """Keep how an operation ended: status, seconds it took, and the error's one line if it failed."""

    id: str
    phase: Phase
    status: Status
    seconds: float = 0.0
    error: str = ""


@attrs.frozen
class Release:
    """Record one deploy or rollback.

    Attributes:
        id: ``rel-YYYYMMDD-HHMMSSmmm``, UTC.
        serial: Orders the releases of an environment, from 1; clocks do not.
        environment: The environment's name.
        version: What was deployed, as the user names it.
        commit: Full commit id, ``-dirty`` appended for a dirty tree; empty without one.
        who: ``user@machine``.
        timestamp: RFC 3339, UTC.
        previous_id: The release that served before; empty for the first.
        command: ``deploy`` or ``rollback``.
        source_id: For a rollback, the release whose bundle was put back.
        phases: Status per phase.
        operations: How each operation ended, in the plan's order.
        error: The one line of the failure, if there was one.
        undone: Whether a failed release was undone, so that the previous one serves.
        downtime: The downtime meter, as data; empty where nothing was probed.
    """

    id: str
    serial: int
    environment: str
    version: str
    commit: str = ""
    who: str = ""
    timestamp: str = ""
    previous_id: str = ""
    command: str = "deploy"
    source_id: str = ""
    phases: Mapping[Phase, Status] = attrs.field(factory=lambda: dict.fromkeys(Phase, Status.PENDING))
    operations: tuple[OperationRecord, ...] = ()
    error: str = ""
    undone: bool = False
    downtime: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def complete(self) -> bool:
        """Tell whether all six phases are completed or were skipped by plan: only then is it a rollback target."""
        return (
            not self.error
            and all(self.phases.get(p) in (Status.COMPLETED, Status.SKIPPED) for p in Phase)
            and self.phases.get(Phase.FINALIZE) is Status.COMPLETED
        )
