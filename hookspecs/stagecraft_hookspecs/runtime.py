"""Runtime: what runs a release's services on hosts, and puts a new release in an old one's place.

A runtime is two classes. The ``Renderer`` is the pure half: from a deployment it drafts files, policies and findings, and
it builds the commands for logs, exec and one-off runs; it never gets a context. The ``Runtime`` is the effectful half: five steps,
each called once per host, each safe to repeat with the same target, because a run that was killed is finished or undone by
repeating them.

A whole plugin is this file, ``stagecraft_pidfile/plugin.py`` (one ``sh -c`` per service, stop-first, no health check)::

    import json
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.runtime import Draft, Instance, Order, Policy, Prepared, Renderer, Runtime
    from stagecraft_hookspecs.values import Command, File

    class PidfileRenderer(Renderer):
        def render(self, deployment):
            units = {s.name: {"argv": list(s.definition.get("command") or [])} for s in deployment.services}
            data = json.dumps(units, sort_keys=True).encode()
            policy = Policy(Order.STOP_FIRST, reason="a service's one process is replaced")
            return Draft(
                files={h.name: {"units.json": File(data)} for h in deployment.hosts},
                policies={s.name: policy for s in deployment.services},
            )

        def logs(self, view, query):
            return Command(("tail", "-n", str(query.tail), *(f"{s}.log" for s in query.services)), cwd=view.home)

        def execute(self, view, request):
            return Command(request.argv, cwd=view.home, timeout=request.timeout)

    class Pidfile(Runtime):
        '''Keep one process per service, known by its pid file.'''

        name = "pidfile"
        images = False
        Renderer = PidfileRenderer

        def prepare(self, ctx, target):
            home = ctx.home(target.host)
            for path, file in sorted(target.files.items()):
                ctx.machine(target.host).write(f"{home}/{target.deployment.release_id}/{path}", file.data, mode=file.mode)
            return Prepared(changed=tuple(s.name for s in target.deployment.services))

        def switch(self, ctx, target):
            ctx.machine(target.host).run(Command(("pidfile-run", target.deployment.release_id), cwd=ctx.home(target.host)))

        def undo(self, ctx, target):
            if target.previous_id:
                ctx.machine(target.host).run(Command(("pidfile-run", target.previous_id), cwd=ctx.home(target.host)))

        def retire(self, ctx, target):
            for old in target.expired:
                ctx.machine(target.host).remove(f"{ctx.home(target.host)}/{old}")

        def observe(self, ctx, host):
            listed = ctx.machine(host).run(Command(("pidfile-list",), cwd=ctx.home(host))).stdout.split()
            return tuple(Instance(service, host.name, service, "running") for service in sorted(listed))

    @hookimpl
    def stagecraft_runtime():
        return Pidfile

with the entry point ``pidfile = "stagecraft_pidfile.plugin"`` in the group ``stagecraft``. Prove yours with
``contract.runtime.RuntimeContract``.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.values import Build, Command, File, Finding, Folder, Host, Image, Operation


class Order(enum.StrEnum):
    """Say which comes first when a service is replaced: the start of the new or the stop of the old."""

    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


@attrs.frozen
class Update:
    """Hold a service's ``deploy.update_config`` as the compose file has it; ``order`` is None where it says nothing.

    Attributes:
        parallelism: Instances replaced at once; 0 means all.
        delay: Seconds between batches.
        monitor: Seconds that an instance without a healthcheck must stay up to count as healthy.
        failure_action: ``rollback``, ``pause`` or ``continue``.
        max_failure_ratio: Share of a service's instances that may fail.
    """

    order: Order | None = None
    parallelism: int = 1
    delay: float = 0.0
    monitor: float = 5.0
    failure_action: str = "rollback"
    max_failure_ratio: float = 0.0


@attrs.frozen
class Policy:
    """Say how the runtime will replace a service, and why so: the plan prints both."""

    order: Order
    reason: str = ""
    update: Update = Update()


@attrs.frozen
class Service:
    """Describe a service as it is to run.

    Attributes:
        name: The compose service.
        definition: As ``docker compose config --format json`` prints it, but with real ``$`` signs, which a renderer of compose
            files must double again; values from secrets are references (``<secret:NAME>``).
        hosts: Names of the hosts it runs on, sorted.
        replicas: Instances per host.
        image: What to run; ``digest`` is empty while planning. None for runtimes that run no images.
        build: What was built for it, or None.
        update: Its ``deploy.update_config``.
        routes: What a proxy in front of it sends here, without targets. The ports that they listen on are the proxy's, and no
            longer in ``definition``.
    """

    name: str
    definition: Mapping[str, Any]
    hosts: tuple[str, ...] = ()
    replicas: int = 1
    image: Image | None = None
    build: Build | None = None
    update: Update = Update()
    routes: tuple[Route, ...] = ()


@attrs.frozen
class Deployment:
    """Describe all that is to run.

    Attributes:
        definition: The compose file's top-level keys besides ``services``: networks, volumes, configs, secrets.
        services: Sorted by name.
        hosts: Sorted by name.
        folder: The project's files.
        release_id: Empty while planning; what is rendered must not depend on it.
        root: Absolute path of the project's folder, with which the definitions' paths begin; for telling which of them lie in
            the project. What is rendered must not hold it.
    """

    project: str
    environment: str
    services: tuple[Service, ...]
    hosts: tuple[Host, ...]
    definition: Mapping[str, Any] = attrs.field(factory=dict)
    folder: Folder | None = attrs.field(default=None, eq=False, repr=False)
    release_id: str = ""
    root: str = attrs.field(default="", eq=False, repr=False)

    def on(self, host: str) -> tuple[Service, ...]:
        """Return the services that run on a host, sorted by name."""
        return tuple(s for s in self.services if host in s.hosts)

    def routes_on(self, host: str) -> tuple[Route, ...]:
        """Return the routes to the services of a host, without targets, sorted by id."""
        return tuple(sorted((r for s in self.on(host) for r in s.routes), key=lambda r: r.id))


@attrs.frozen
class Draft:
    """Hold what a renderer made of a deployment.

    Attributes:
        files: Host name to path to file. Secrets in them are references; files with any are marked ``secret``.
        policies: Service name to how it will be replaced.
        operations: Steps of the runtime's own beyond the five, for any phase.
        findings: Lints.
        volumes: Named volume to the folder, relative to ``Context.home``, in which this machine's processes find its content;
            only what the runtime knows without asking.
    """

    files: Mapping[str, Mapping[str, File]] = attrs.field(factory=dict)
    policies: Mapping[str, Policy] = attrs.field(factory=dict)
    operations: tuple[Operation, ...] = ()
    findings: tuple[Finding, ...] = ()
    volumes: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Target:
    """Tell a step what is wanted on one host.

    Attributes:
        host: Where.
        deployment: All that is to run; ``deployment.on(host.name)`` runs here. Digests are known.
        files: The draft's files for this host, references unfilled (``ctx.fill`` fills them).
        policies: The draft's policies.
        previous_id: The release that served before, or empty.
        retained: Ids of releases to keep ready for a rollback, newest first.
        expired: Ids of releases whose leftovers ``retire`` removes.
        only: Services to act on; empty means all. With it nothing else is touched, not even what no longer belongs.
    """

    host: Host
    deployment: Deployment
    files: Mapping[str, File] = attrs.field(factory=dict)
    policies: Mapping[str, Policy] = attrs.field(factory=dict)
    previous_id: str = ""
    retained: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@attrs.frozen
class Prepared:
    """Say which services will be replaced by ``switch`` (or already run beside the old) and which are left untouched, sorted."""

    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@attrs.frozen
class Instance:
    """Describe one running (or stopped) instance as observed.

    Attributes:
        service, host, id: What it is and where.
        state: ``created|running|restarting|exited|dead|missing``.
        health: ``healthy|unhealthy|starting|none``.
        release_id: The release that started it, if known.
        active: Whether it serves: it is the current release's, not one kept for a rollback.
        image: What it runs.
        ports: Published addresses, ``127.0.0.1:8080->8000/tcp``.
        address: IP address at which the instance's own ports answer on its host; empty if there is none.
        exit_code: Of its last end; None while it never ended.
        restarts: How often it was restarted.
        since: RFC 3339 start time; empty if never started.
    """

    service: str
    host: str
    id: str
    state: str
    health: str = "none"
    release_id: str = ""
    active: bool = True
    image: str = ""
    ports: tuple[str, ...] = ()
    address: str = ""
    exit_code: int | None = None
    restarts: int = 0
    since: str = ""


@attrs.frozen
class View:
    """Tell a renderer where a release runs, for building commands: host, the runtime's folder there, project, instances."""

    project: str
    environment: str
    host: Host
    home: str
    release_id: str = ""
    instances: tuple[Instance, ...] = ()


@attrs.frozen
class LogQuery:
    """Say which log lines are wanted.

    Attributes:
        since: Seconds back; 0 means all.
        tail: Lines per instance; -1 means all.
        timestamps: Whether a line's text begins with its time, in RFC 3339 and UTC, and a space: for merging hosts' lines.
    """

    services: tuple[str, ...] = ()
    follow: bool = False
    since: float = 0.0
    tail: int = -1
    timestamps: bool = False


@attrs.frozen
class Execution:
    """Describe a command to run in a service's running instance or, with ``oneoff``, in a new instance of the release's image.

    Attributes:
        interactive: Whether it gets a terminal.
        stdin: Whether it reads standard input; implied by ``interactive``.
    """

    service: str
    argv: tuple[str, ...]
    oneoff: bool = False
    interactive: bool = False
    timeout: float = 0.0
    stdin: bool = False


@attrs.frozen
class Leftover:
    """Name something on a host that no release needs.

    Attributes:
        kind: ``container``, ``image``, ``release`` (its files) or a word of the runtime's own.
        size: Bytes that its removal frees, as far as the host tells.
    """

    kind: str
    name: str
    size: int = 0


class Renderer(ABC):
    """Describe, without doing: the pure half of a runtime."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @abstractmethod
    def render(self, deployment: Deployment) -> Draft:
        """Draft files, policies, further operations and findings; the same for the same deployment, byte for byte."""

    @abstractmethod
    def logs(self, view: View, query: LogQuery) -> Command:
        """Build the command that prints log lines, each as ``SERVICE | text``."""

    @abstractmethod
    def execute(self, view: View, request: Execution) -> Command:
        """Build the command for exec and one-off runs. Secrets go by 0600 file or environment, never argv."""


class Runtime(Provider):
    """Put a release in place on one host. Steps are called per host, in parallel over hosts, and are safe to repeat.

    The five steps are abstract. The others have defaults that fit a runtime which checks nothing, needs
    its files and nothing else, knows its instances' releases and leaves nothing behind.

    Attributes:
        images: Whether services run from images; then the kernel builds and pushes them.
        routable: Whether an instance has an address at which a proxy on its host reaches it (``Instance.address``).
        Renderer: The pure half; constructed with the same configuration.
    """

    images: ClassVar[bool] = True
    routable: ClassVar[bool] = False
    Renderer: ClassVar[type[Renderer]]

    def preflight(self, ctx: Context, target: Target) -> None:
        """Check that the host can take the release (engine, space, ports); called before anything is built, and changes nothing.

        ``target``'s images have no digest yet. Raises ``ProviderError`` with what is wrong.
        """

    def ship(self, ctx: Context, target: Target) -> None:
        """Have the release's files on the host, so that one-off commands can run before it is prepared; start nothing."""
        folder = f"{ctx.home(target.host)}/{target.deployment.release_id}"
        for path, file in sorted(target.files.items()):
            data = ctx.fill(file.data.decode()).reveal().encode() if file.secret else file.data
            ctx.machine(target.host).write(f"{folder}/{path}", data, mode=0o600 if file.secret else file.mode)

    @abstractmethod
    def prepare(self, ctx: Context, target: Target) -> Prepared:
        """Ship files, get images, start what may start beside the old, wait until it is healthy. Users notice nothing.

        Raises:
            Unhealthy: With the diagnosis; what was started is left for ``undo``.
            ProviderError: Anything else that went wrong on the host.
        """

    @abstractmethod
    def switch(self, ctx: Context, target: Target) -> None:
        """Make the new release serve: replace stop-first services in dependency order, waiting until each is healthy."""

    @abstractmethod
    def undo(self, ctx: Context, target: Target) -> None:
        """Make the previous release serve and remove what this one started, however far it had come; nothing if nowhere."""

    @abstractmethod
    def retire(self, ctx: Context, target: Target) -> None:
        """Drain and stop the previous release's instances, keep them stopped for a rollback, remove what has expired."""

    @abstractmethod
    def observe(self, ctx: Context, host: Host) -> tuple[Instance, ...]:
        """Return every instance of the project's environment on a host, sorted by service and id; change nothing."""

    def changed(self, ctx: Context, target: Target) -> tuple[str, ...]:
        """Return the paths, of ``target.files``, of the files on the host that are missing or not as they were shipped.

        Changes nothing. By default nothing is looked at; a runtime that keeps its files where ``ship`` puts them can compare.
        """
        return ()

    def prune(self, ctx: Context, host: Host, keep: tuple[str, ...], *, dry_run: bool = False) -> tuple[Leftover, ...]:
        """Remove what this runtime made on a host for releases that are not in ``keep``, and return it; sorted.

        Nothing that runs is touched, nor anything that somebody else made. ``keep`` has the release that serves. With
        ``dry_run`` return what would be removed. Safe to repeat.
        """
        return ()

    def instances(self, ctx: Context, host: Host, release_id: str) -> tuple[Instance, ...]:
        """Return those of ``observe`` that make up a release, whether it serves already or is only prepared.

        An instance that an earlier release started and this one left untouched is one of them. A proxy's routes lead to those
        that run and are well.
        """
        return tuple(i for i in self.observe(ctx, host) if i.active or i.release_id == release_id)


@hookspec
def stagecraft_runtime() -> type[Runtime] | Iterable[type[Runtime]]:  # type: ignore[empty-body]
    """Return runtime classes. Called once, when a runtime is looked up by name; nothing is constructed."""
