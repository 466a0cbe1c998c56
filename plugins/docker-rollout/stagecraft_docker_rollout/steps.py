"""The steps that differ from the runtime ``compose``: prepare starts nothing, and switch lets the tool do it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_compose import exclusive, gate, images, memory, naming, preflight, services, switch, walk
from stagecraft_compose import prepare as compose
from stagecraft_compose.containers import Assignment, Container, assign
from stagecraft_compose.memory import Unit
from stagecraft_compose.site import Site
from stagecraft_hookspecs.errors import CommandFailed, ProviderError, ToolMissing, Unhealthy
from stagecraft_hookspecs.runtime import Prepared, Target

from stagecraft_docker_rollout import tool
from stagecraft_docker_rollout.config import Config
from stagecraft_docker_rollout.render import replaces_by_tool

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Command

PAGE = "https://docker-rollout.wowu.dev"


def require_tool(site: Site) -> None:
    """Check that the tool is there; raises ToolMissing without it."""
    done = site.machine.run(tool.version(), check=False)
    # without the plugin, `docker` takes the flag for its own and is content
    if not done.ok or "docker-rollout" not in done.stdout:
        raise ToolMissing(
            f"docker-rollout is not installed on {site.host.name}",
            hint=f"put it into ~/.docker/cli-plugins there, as {PAGE} says, or use `runtime: compose`",
        )


def prepare(site: Site, target: Target) -> Prepared:
    """Ship files and images, and say what the switch will replace; nothing is created yet."""
    require_tool(site)
    shipped = compose.ship(site, target)
    units = shipped.units
    found = switch.chosen(_assign(units, shipped.containers), target)
    changed = sorted(name for name, a in found.items() if name in units and not a.settled)
    if changed:
        preflight.before_creating(site, {name: units[name].definition for name in changed})
    return Prepared(tuple(changed), tuple(sorted(set(units) - set(changed))))


def _assign(units: Mapping[str, Unit], containers: tuple[Container, ...]) -> dict[str, Assignment]:
    return assign({name: unit.wanted for name, unit in units.items()}, containers)


def replace_all(site: Site, target: Target, config: Config) -> None:
    """Replace every service that changed, each after those it depends on."""
    release = target.deployment.release_id
    known, containers = site.look([release])
    units = known.units(release)
    if units is None:
        raise ProviderError(f"{release} was never prepared on {site.host.name}", hint="deploy again; it prepares first")
    here = [s for s in target.deployment.on(site.host.name) if not target.only or s.name in target.only]
    images.ensure(site.ctx, site.host, site.engine, here, {})  # a tag may have been removed by hand
    found = switch.chosen(_assign(units, containers), target)
    for name in services.in_order({n: u.definition for n, u in units.items()}):
        if name in found and not found[name].settled:
            _replace(site, target, config, units, found[name])
    if not target.only:
        memory.set_current(site.machine, site.home, known, release)


def _replace(site: Site, target: Target, config: Config, units: Mapping[str, Unit], found: Assignment) -> None:
    name, unit, folder = found.service, units[found.service], site.folder(target.deployment.release_id)
    by_tool = replaces_by_tool(unit.definition, target.policies.get(name)) and not unit.finishes
    if len(found.serving) < unit.replicas:
        old = _clean(site, found, unit) if by_tool else ()
        host_document = json.loads(site.machine.read(f"{folder}/{naming.HOST_FILE}"))
        data = tool.document(host_document, name, alone=unit.replicas == 1 and not by_tool)
        site.machine.write(f"{folder}/{tool.file_name(name)}", data, mode=0o600)
        if old:
            _roll(site, config, unit, name, len(old), folder)
        keep = bool(old) or bool(by_tool and found.serving)
        if not old or len(old) < unit.replicas:
            _run(site, tool.up(site.engine.project, folder, name, unit.replicas, keep=keep), name)
    _settle(site, units, name)


def _clean(site: Site, found: Assignment, unit: Unit) -> tuple[Container, ...]:
    """Leave of a service what the tool may double: as many running old containers as are wanted; return them.

    A run that was killed leaves twice as many, which the tool would double again and keep for ever; and it starts stopped
    ones along with the new.
    """
    running = sorted(found.old, key=lambda c: (not c.fine, c.number))
    old, surplus = running[: unit.replicas], running[unit.replicas :]
    stale = [c for c in (*found.ready, *found.others) if c not in old] + (list(found.serving) if old else [])
    for container in dict.fromkeys(c.id for c in (*surplus, *stale)):
        site.ctx.log(f"removing a leftover container {container[:12]}", level="debug", service=found.service)
        site.engine.stop(container)
        site.engine.remove(container)
    return tuple(old)


def _roll(site: Site, config: Config, unit: Unit, name: str, count: int, folder: str) -> None:
    command = tool.rollout(config, site.engine.project, folder, name, unit.definition, count)
    try:
        _run(site, command, name)
    except CommandFailed as error:
        output = f"{error.result.stdout}\n{error.result.stderr}"
        data = tool.failure(name, site.host.name, unit.image, output)
        if data is None:
            raise
        data["hint"] = f"see its healthcheck and its last log lines; start it alone with `docker run --rm {unit.image}`"
        raise Unhealthy(
            f"{name} on {site.host.name} {data['why']}",
            hint=str(data["hint"]),
            detail=tool.words(data),
            diagnosis=(data,),
        ) from error


def _run(site: Site, command: Command, service: str) -> None:
    """Run a command that changes containers, alone on the host: one that a killed run left behind comes to its end first."""
    what = " ".join(command.argv[:2])
    site.ctx.progress(f"{what} {service}", service=service, host=site.host.name)
    done = site.machine.run(exclusive.exclusively(command, naming.lock_file(site.home)), check=False)
    for line in (done.stdout + done.stderr).splitlines():
        site.ctx.log(line, level="debug", service=service, host=site.host.name)
    if not done.ok:
        raise CommandFailed(done, what=f"{what} {service} on {site.host.name}", hint="see: docker ps -a, docker info")


def _settle(site: Site, units: Mapping[str, Unit], name: str) -> None:
    """Wait until what is wanted runs and is healthy, whatever the tool looked at; stop what else runs of the service."""
    unit = units[name]
    definitions = {n: u.definition for n, u in units.items()}
    expected = gate.expectation(name, definitions, site.config.deploy_timeout)
    ours = [c for c in site.engine.containers() if c.service == name and c.fingerprint == unit.fingerprint]
    wanted = ours[: unit.replicas]
    if len(wanted) < unit.replicas:
        raise Unhealthy(
            f"{len(wanted)} of {unit.replicas} containers of {name} are there on {site.host.name}",
            hint="somebody removed them: docker events --since 10m",
        )
    walk.run(site.ctx, {c.id: gate.wait(site.ctx, site.engine, name, c.id, expected) for c in wanted})
    fresh = _assign({name: unit}, site.engine.refreshed(site.engine.containers()))[name]
    for container in fresh.old:
        site.engine.stop(container.id)
        site.engine.remove(container.id)
