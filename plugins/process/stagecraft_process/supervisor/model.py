"""What the supervisor knows: groups (a service of a release) and their instances. Mutable, owned by one event loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

    from stagecraft_process.supervisor.forwarder import Connection


@dataclass(slots=True, eq=False)
class Instance:
    """Hold one process of a service, over its restarts.

    ``state`` is ``created|running|restarting|stopping|exited``; ``health`` is ``none|starting|healthy|unhealthy``.
    ``started`` is the kernel's start time of ``pid``: together they name a process for good, a pid alone does not.
    """

    name: str
    index: int
    ports: dict[int, int] = field(default_factory=dict)
    pid: int = 0
    started: str = ""
    since: float = 0.0
    state: str = "created"
    health: str = "none"
    ready: bool = False
    exit_code: int | None = None
    restarts: int = 0
    problem: str = ""
    probe: str = ""
    listens: list[int] = field(default_factory=list)
    address: str = "127.0.0.1"
    connections: set[Connection] = field(default_factory=set)
    task: Task[None] | None = None
    stopping: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept and shown."""
        names = "name index pid started since state health ready exit_code restarts problem probe listens address"
        return {**{n: getattr(self, n) for n in names.split()}, "ports": {str(k): v for k, v in self.ports.items()}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Instance:
        """Return the instance that ``to_dict`` described."""
        return cls(**{**data, "ports": {int(k): v for k, v in data["ports"].items()}})


@dataclass(slots=True, eq=False)
class Group:
    """Hold a service as a release wants it.

    Attributes:
        unit: The resolved unit: argv, cwd, env, ports, health and the rest; see ``stagecraft_process.units``.
        fingerprint: Hash of all that would make the service another one.
        base: What the instances take over from the environment of whoever deployed.
        trial: Whether it never served yet; then an exit is final, because somebody waits for the verdict.
        run: Whether it is to run; False for one kept for an undo.
        draining: Whether it serves no longer and is being stopped.
        turn: Counts connections, to spread them.
    """

    service: str
    release: str
    unit: dict[str, Any]
    digest: str
    fingerprint: str
    base: dict[str, str]
    trial: bool = True
    run: bool = True
    draining: bool = False
    turn: int = 0
    instances: list[Instance] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return its name in the state: ``service@release``."""
        return f"{self.service}@{self.release}"

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept, secrets included."""
        names = "service release unit digest fingerprint base trial run draining"
        return {**{n: getattr(self, n) for n in names.split()}, "instances": [i.to_dict() for i in self.instances]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Group:
        """Return the group that ``to_dict`` described."""
        return cls(**{**data, "instances": [Instance.from_dict(i) for i in data["instances"]]})


@dataclass(slots=True, eq=False)
class State:
    """Hold all groups, which of them serves, what a release replaced, and the ports given to links between services."""

    groups: dict[str, Group] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    undo: dict[str, dict[str, str]] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)

    def serving(self, service: str) -> Group | None:
        """Return the group that serves, or None."""
        return self.groups.get(self.active.get(service, ""))

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept, secrets included."""
        return {
            "version": 1,
            "groups": [g.to_dict() for _, g in sorted(self.groups.items())],
            "active": dict(sorted(self.active.items())),
            "undo": dict(sorted(self.undo.items())),
            "links": dict(sorted(self.links.items())),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> State:
        """Return the state that ``to_dict`` described."""
        groups = {g.key: g for g in map(Group.from_dict, data["groups"])}
        return cls(groups, dict(data["active"]), dict(data["undo"]), dict(data["links"]))
