"""One host's side of a deployment: whether it leads, its engine, the swarm as its managers see it.

The first of the environment's hosts that is a manager leads: it alone changes the swarm. The others only have files and
images, so that any of them can run tasks and one-off containers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, ToolMissing

from stagecraft_swarm import engine, naming
from stagecraft_swarm.config import Config

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host


@attrs.define
class Site:
    """Hold what every step on a host needs; what was asked once is not asked again.

    Attributes:
        host: Where the step is called.
        hosts: The environment's, sorted by name.
    """

    ctx: Context
    host: Host
    hosts: tuple[Host, ...]
    config: Config
    release_id: str = ""
    _seen: dict[str, Mapping[str, Any]] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def stack(self) -> str:
        """Return the stack's name."""
        return naming.stack(self.ctx.project, self.ctx.environment, self.config.stack_name)

    @property
    def home(self) -> str:
        """Return the environment's folder on the host."""
        return self.ctx.home(self.host)

    def folder(self, release_id: str = "") -> str:
        """Return where a release's files lie on the host."""
        return naming.release_folder(self.home, release_id or self.release_id)

    def api(self, host: Host | None = None) -> Any:
        """Return the API client of a host's engine."""
        there = host or self.host
        return engine.call(there.name, "reach it", lambda: self.ctx.machine(there).docker().api)

    def ask(self, what: str, function: Any, host: Host | None = None) -> Any:
        """Call a function with the API client of a host's engine."""
        there = host or self.host
        api = self.api(there)
        return engine.call(there.name, what, lambda: function(api))

    def membership(self, host: Host) -> Mapping[str, Any]:
        """Return what a host's engine says of the swarm: ``NodeID``, ``LocalNodeState``, ``ControlAvailable``."""
        if host.name not in self._seen:
            info = self.ask("describe itself", lambda api: api.info(), host)
            self._seen[host.name] = (info.get("Swarm") or {}) if isinstance(info, Mapping) else {}
        return self._seen[host.name]

    def manages(self, host: Host) -> bool:
        """Tell whether a host is a manager."""
        return bool(self.membership(host).get("ControlAvailable"))

    def leader(self) -> Host:
        """Return the first host that is a manager; one that does not answer is passed over while another does.

        Raises:
            ProviderError: None is.
        """
        silent: ProviderError | None = None
        for host in self.hosts:
            try:
                if self.manages(host):
                    return host
            except ProviderError as error:
                silent = silent or error
        raise silent or no_manager(self.host, self.membership(self.host))

    def leads(self) -> bool:
        """Tell whether the host leads. Raises where it is in no swarm, or no host is a manager."""
        mine = self.membership(self.host)
        if mine.get("LocalNodeState") != "active":
            raise no_manager(self.host, mine)
        return self.leader().name == self.host.name

    def manager(self) -> Host:
        """Return a manager to ask, this host if it is one."""
        return self.host if self.manages(self.host) else self.leader()

    def nodes(self, hosts: Iterable[Host] = ()) -> dict[str, Host]:
        """Return the environment's hosts by the id of their node; those that are in no swarm are left out."""
        asked = list(hosts) or list(self.hosts)
        found = engine.gather([functools.partial(self.membership, host) for host in asked])
        return {str(m["NodeID"]): host for host, m in zip(asked, found, strict=True) if m.get("NodeID")}

    def services(self, manager: Host) -> list[dict[str, Any]]:
        """Return the stack's services as the swarm has them."""
        filters = {"label": f"{naming.NAMESPACE}={self.stack}"}
        found: list[dict[str, Any]] = self.ask("list services", lambda api: api.services(filters=filters), manager)
        return sorted(found, key=lambda s: str(s["Spec"]["Name"]))

    def tasks(self, manager: Host) -> list[dict[str, Any]]:
        """Return the stack's tasks, the newest last."""
        filters = {"label": f"{naming.NAMESPACE}={self.stack}"}
        found: list[dict[str, Any]] = self.ask("list tasks", lambda api: api.tasks(filters=filters), manager)
        return sorted(found, key=lambda t: (str(t.get("CreatedAt")), str(t["ID"])))


def no_manager(host: Host, membership: Mapping[str, Any]) -> ProviderError:
    """Return the error for a host that is in no swarm, or a swarm of which no manager is known here."""
    state = str(membership.get("LocalNodeState") or "inactive")
    if state in ("inactive", "pending"):
        return ToolMissing(
            f"{host.name} is in no swarm",
            hint="make one on the first host with `docker swarm init`, let the others join with `docker swarm join`",
        )
    if state != "active":
        detail = str(membership.get("Error") or "")
        return ProviderError(f"the swarm on {host.name} is {state}", hint="see: docker info", detail=detail)
    return ProviderError(
        f"{host.name} is a worker, and none of the hosts that run the services is a manager of its swarm",
        hint="give a manager one of the roles, or make a host one: docker node promote NODE",
    )


def label(raw: Mapping[str, Any], name: str) -> str:
    """Return a label of a service, or of a task's container; empty without it."""
    spec = raw.get("Spec") or {}
    container = spec.get("ContainerSpec")
    labels = (container if container is not None else spec).get("Labels") or {}
    return str(labels.get(name) or "")
