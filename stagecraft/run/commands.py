"""Run a command where a service runs: in a running instance, or in a one-off instance of the release that serves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound, StagecraftError, UserError
from stagecraft_hookspecs.runtime import Execution, Instance, View
from stagecraft_hookspecs.values import Command, Result

from stagecraft.run.operating import well
from stagecraft.run.selection import choose
from stagecraft.run.serving import Serving

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext
    from stagecraft.project import Project


@attrs.frozen
class Place:
    """Say where a command is to run."""

    host: Host
    release_id: str
    instances: tuple[Instance, ...]


def find_instance(
    project: Project, ctx: RunContext, service: str, hosts: Sequence[str] = (), roles: Sequence[str] = ()
) -> Place:
    """Return the first well instance of a service, by host and id; else the first that runs at all.

    Raises:
        NotFound: The release has no such service.
        UserError: It does not run on any of the hosts.
        ProviderError: No host could be asked.
    """
    serving, candidates = _hosts(project, ctx, service, hosts, roles)
    running: list[Place] = []
    fault: StagecraftError | None = None
    for host in candidates:
        try:
            with project.blamed():
                seen = project.runtime.observe(ctx, host)
        except StagecraftError as error:
            fault = fault or error
            continue
        mine = [i for i in seen if i.service == service and i.active and i.state == "running" and i.id]
        for instance in sorted(mine, key=lambda i: (not well(i), i.id))[:1]:
            place = Place(host, serving.release.id, (instance,))
            if well(instance):
                return place
            running.append(place)
    if running:
        return running[0]
    if fault is not None:
        raise fault
    where = ", ".join(h.name for h in candidates)
    raise UserError(f"{service} does not run on {where}", hint=f"see `stagecraft status --service {service}`")


def find_host(
    project: Project, ctx: RunContext, service: str, hosts: Sequence[str] = (), roles: Sequence[str] = ()
) -> Place:
    """Return the first host of a service that answers; raises as ``find_instance`` does."""
    serving, candidates = _hosts(project, ctx, service, hosts, roles)
    fault: StagecraftError | None = None
    for host in candidates:
        try:
            with project.blamed():
                return Place(host, serving.release.id, project.runtime.observe(ctx, host))
        except StagecraftError as error:
            fault = fault or error
    assert fault is not None
    raise fault


def command_at(project: Project, ctx: RunContext, place: Place, request: Execution) -> Command:
    """Return the command that the runtime builds for a request."""
    home = ctx.home(place.host)
    view = View(ctx.project, ctx.environment, place.host, home, place.release_id, place.instances)
    with project.blamed():
        return project.renderer().execute(view, request)


def attach(ctx: RunContext, host: Host, command: Command, *, terminal: bool, stdin: bool) -> int:
    """Run a command on this process's own streams, on another host by the user's OpenSSH client; return its exit code."""
    from stagecraft.context import is_remote
    from stagecraft.machine.attached import run_attached

    if not is_remote(host):
        return run_attached(command.argv, cwd=ctx.root / command.cwd, env=command.env, stdin=stdin)
    from stagecraft.machine.openssh import remote_line, ssh_argv

    remote = remote_line(command)
    argv = ssh_argv(host, ctx.root, terminal=terminal, stdin=stdin, remote=remote)
    return run_attached(argv, cwd=Path("/"), stdin=stdin)


def capture(ctx: RunContext, host: Host, command: Command, stdin: bytes | None) -> Result:
    """Run a command through the host's machine and return what it printed."""
    return ctx.machine(host).run(attrs.evolve(command, stdin=stdin), check=False)


def _hosts(
    project: Project, ctx: RunContext, service: str, hosts: Sequence[str], roles: Sequence[str]
) -> tuple[Serving, list[Host]]:
    choose(project, hosts, (), roles)
    serving = Serving(project, ctx)
    deployed = serving.bundle.deployment
    found = next((s for s in deployed.services if s.name == service), None)
    if found is None:
        raise NotFound("service", service, [s.name for s in deployed.services])
    chosen = choose(project, hosts, (), roles, serving=deployed.hosts)
    candidates = [h for h in chosen.hosts if h.name in found.hosts]
    if not candidates:
        where = ", ".join(chosen.names)
        raise UserError(f"{service} does not run on {where}", hint=f"it runs on {', '.join(found.hosts)}")
    return serving, candidates
