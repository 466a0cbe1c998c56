"""Look at what runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.runtime import Instance, LogQuery, View
from stagecraft_hookspecs.values import Release

from stagecraft.run.history import History

if TYPE_CHECKING:
    from stagecraft.context import RunContext
    from stagecraft.project import Project


@attrs.frozen
class Status:
    """Hold what was observed.

    Attributes:
        expected: Service and host to how many instances should serve.
    """

    environment: str
    release: Release | None
    instances: tuple[Instance, ...]
    expected: dict[tuple[str, str], int]

    @property
    def healthy(self) -> bool:
        """Tell whether every service has as many well instances as it should."""
        return all(self.well(service, host) >= count for (service, host), count in self.expected.items())

    def well(self, service: str, host: str) -> int:
        """Count the instances of a service on a host that serve and are not unhealthy; one that was to end and did is well."""
        return sum(
            i.active
            and ((i.state == "running" and i.health != "unhealthy") or (i.state == "exited" and i.exit_code == 0))
            for i in self.instances
            if (i.service, i.host) == (service, host)
        )


def observe(project: Project, ctx: RunContext, hosts: Sequence[str] = (), services: Sequence[str] = ()) -> Status:
    """Observe the environment; raises UserError before the first deploy, NotFound for an unknown service or host."""
    serving = History(project.state.releases(ctx)).serving
    if serving is None:
        raise UserError(f"nothing was deployed to {ctx.environment} yet", hint="run `stagecraft deploy`")
    _check(project, hosts, services)
    chosen = [h for h in project.config.hosts if not hosts or h.name in hosts]
    instances: list[Instance] = []
    for host in chosen:
        with project.blamed():
            instances += project.runtime.observe(ctx, host)
    from stagecraft.run import bundle as bundles

    origin = History(project.state.releases(ctx)).origin(serving)
    deployed = bundles.load(project.state.open(ctx, origin.id), origin.id).deployment
    expected = {
        (s.name, h): s.replicas
        for s in deployed.services
        for h in s.hosts
        if (not services or s.name in services) and (not hosts or h in hosts)
    }
    kept = tuple(i for i in instances if not services or i.service in services)
    return Status(ctx.environment, serving, kept, expected)


def read_logs(
    project: Project,
    ctx: RunContext,
    show: Callable[[str], None],
    hosts: Sequence[str],
    services: Sequence[str],
    follow: bool,
    since: float,
    tail: int,
) -> None:
    """Hand on the log lines of every host, each as ``SERVICE | text``."""
    _check(project, hosts, services)
    names = tuple(services) or tuple(project.services)
    for host in project.config.hosts:
        if hosts and host.name not in hosts:
            continue
        with project.blamed():
            view = View(ctx.project, ctx.environment, host, ctx.home(host), "", project.runtime.observe(ctx, host))
            command = project.renderer().logs(view, LogQuery(names, follow, since, tail))
        ctx.machine(host).run(command, on_line=show)


def _check(project: Project, hosts: Sequence[str], services: Sequence[str]) -> None:
    known = [h.name for h in project.config.hosts]
    for host in hosts:
        if host not in known:
            raise NotFound("host", host, known)
    for service in services:
        if service not in project.services:
            raise NotFound("service", service, project.services)
