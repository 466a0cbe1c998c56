"""Look at what runs, on every host at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.runtime import Instance
from stagecraft_hookspecs.values import Release

from stagecraft.run import leases
from stagecraft.run.fleet import Failure, each
from stagecraft.run.selection import Selection, choose
from stagecraft.run.serving import Serving

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Holder
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext
    from stagecraft.project import Project


@attrs.frozen
class Seen:
    """Hold what one host showed.

    Attributes:
        routes: Route id to the targets that get requests, as the proxy tells; None where there is none to ask.
        fault: Why the proxy could not be asked.
        holder: Who holds the environment's lease there.
    """

    instances: tuple[Instance, ...]
    routes: Mapping[str, tuple[str, ...]] | None = None
    fault: StagecraftError | None = None
    holder: Holder | None = None


@attrs.frozen
class Status:
    """Hold what was observed.

    Attributes:
        expected: Service and host to how many instances should serve.
        hosts: Those that could be asked, by name.
        failures: Why others could not, or not in full.
        mixed: Services of which not every host runs what the release wants, with host and release id of each.
        unfinished: A run that neither ended nor was undone.
        next_step: The command that ends it.
        holder: Who changes the environment right now.
    """

    environment: str
    release: Release | None
    instances: tuple[Instance, ...]
    expected: Mapping[tuple[str, str], int]
    hosts: Mapping[str, Seen] = attrs.field(factory=dict)
    failures: tuple[Failure, ...] = ()
    mixed: Mapping[str, tuple[tuple[str, str], ...]] = attrs.field(factory=dict)
    unfinished: Release | None = None
    next_step: str = ""
    holder: Holder | None = None

    @property
    def healthy(self) -> bool:
        """Tell whether every service has as many well instances as it should."""
        return all(self.well(service, host) >= count for (service, host), count in self.expected.items())

    def well(self, service: str, host: str) -> int:
        """Count the instances of a service on a host that are well."""
        return sum(well(i) for i in self.instances if (i.service, i.host) == (service, host))


def well(instance: Instance) -> bool:
    """Tell whether an instance serves and is not unhealthy; one that was to end and did is well."""
    running = instance.state == "running" and instance.health != "unhealthy"
    return instance.active and (running or (instance.state == "exited" and instance.exit_code == 0))


def observe(
    project: Project,
    ctx: RunContext,
    hosts: Sequence[str] = (),
    services: Sequence[str] = (),
    roles: Sequence[str] = (),
) -> Status:
    """Observe the environment.

    Raises:
        UserError: Nothing was deployed yet; NotFound for an unknown service, host or role.
        ProviderError: No host could be asked.
    """
    choose(project, hosts, services, roles)
    serving = Serving(project, ctx)
    deployed = serving.bundle.deployment
    chosen = choose(project, hosts, services, roles, serving=deployed.hosts)
    routed = {h for s in deployed.services if s.routes for h in s.hosts} if project.has("proxy") else set()
    gathered = each(ctx, chosen.hosts, lambda host: see(project, ctx, host, routes=host.name in routed))
    seen = gathered.unless_all_failed().found
    with project.blamed():
        holder = project.state.holder(ctx) or next((one.holder for one in seen.values() if one.holder), None)
    everything = tuple(i for one in seen.values() for i in one.instances)
    partly = (Failure(name, one.fault) for name, one in seen.items() if one.fault)
    return Status(
        ctx.environment,
        serving.release,
        tuple(i for i in everything if chosen.wants(i.service)),
        _expected(serving, chosen),
        seen,
        tuple(sorted((*gathered.failures, *partly), key=lambda f: f.host)),
        {s: where for s, where in serving.mixed(everything).items() if chosen.wants(s)},
        serving.history.unfinished,
        serving.next_step,
        holder,
    )


def see(project: Project, ctx: RunContext, host: Host, *, routes: bool) -> Seen:
    """Look at one host; that its proxy does not answer hides nothing of what runs there."""
    with project.blamed():
        instances = project.runtime.observe(ctx, host)
    holder = leases.held_on(ctx, host)
    if not routes:
        return Seen(instances, holder=holder)
    try:
        with project.blamed():
            return Seen(instances, project.provider("proxy").serving(ctx, host), holder=holder)
    except StagecraftError as error:
        return Seen(instances, None, error, holder)


def _expected(serving: Serving, chosen: Selection) -> dict[tuple[str, str], int]:
    return {
        (s.name, host): s.replicas
        for s in serving.bundle.deployment.services
        for host in s.hosts
        if chosen.wants(s.name) and host in chosen.names
    }
