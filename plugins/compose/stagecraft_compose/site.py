"""One host's side of a release: where its files are, its engine, and what is wanted of each service there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ToolMissing
from stagecraft_hookspecs.runtime import Order, Policy, Update

from stagecraft_compose import gate, memory, naming, policies, services
from stagecraft_compose.config import Config
from stagecraft_compose.containers import Assignment, Container
from stagecraft_compose.engine import Engine, connect
from stagecraft_compose.memory import Memory, Unit
from stagecraft_compose.parallel import gather
from stagecraft_compose.replace import Move

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.values import Host


@attrs.frozen
class Site:
    """Hold what every step on a host needs."""

    ctx: Context
    host: Host
    machine: Machine
    engine: Engine
    home: str
    config: Config
    release_id: str = ""

    def folder(self, release_id: str) -> str:
        """Return where a release's files lie."""
        return naming.release_folder(self.home, release_id)

    def look(self, releases: Iterable[str] = ()) -> tuple[Memory, tuple[Container, ...]]:
        """Return what the host remembers of releases and which containers it has, both asked at once."""
        known, containers = gather(
            [lambda: memory.recall(self.machine, self.home, releases), lambda: self.engine.containers()]
        )
        assert isinstance(known, Memory) and isinstance(containers, tuple)
        return known, containers

    def stops(self, known: Memory) -> Stops:
        """Return what writes down whose stop is begun."""
        return Stops(self.machine, self.home, self.release_id or "-", set(known.begun))


@attrs.define
class Stops:
    """Write down, before it is done, whose stop a release's step begins; what is known already costs nothing."""

    machine: Machine
    home: str
    release_id: str
    known: set[str]

    def begin(self, identities: set[str]) -> None:
        """Remember which containers are about to be stopped."""
        if not identities <= self.known:
            self.known |= identities
            text = "".join(f"{line}\n" for line in (self.release_id, *sorted(self.known)))
            self.machine.write(naming.stopping_file(self.home), text.encode())


def open_site(ctx: Context, host: Host, config: Config, release_id: str = "") -> Site:
    """Return the site, with the engine reached."""
    project = naming.compose_project(ctx.project, ctx.environment, config.project_name)
    try:
        engine = connect(ctx, host, project)
    except ToolMissing as error:
        from stagecraft_compose.preflight import unreachable

        raise unreachable(ctx, host, error) from error
    return Site(ctx, host, ctx.machine(host), engine, ctx.home(host), config, release_id)


def move(
    site: Site,
    units: Mapping[str, Unit],
    name: str,
    start: tuple[Container, ...],
    stop: tuple[Container, ...],
    update: Update,
) -> Move:
    """Return a service's move, waiting for what it depends on."""
    definitions: dict[str, Mapping[str, Any]] = {n: u.definition for n, u in units.items()}
    expected = gate.expectation(name, definitions, site.config.deploy_timeout)
    waits = frozenset(services.needs(definitions[name])) & frozenset(definitions)
    return Move(name, start, stop, waits, expected, update)


def order_of(policy: Policy | None, assignment: Assignment) -> Order:
    """Return how a service is replaced here: what the plan says, unless its instances turn out to share an anonymous
    volume.
    """
    if policy is None or policy.order is Order.STOP_FIRST or any(c.volumes for c in assignment.old):
        return Order.STOP_FIRST
    return Order.START_FIRST


def early(
    assignments: Mapping[str, Assignment], units: Mapping[str, Unit], target_policies: Mapping[str, Policy]
) -> tuple[str, ...]:
    """Return the services whose new containers may start before the switch, in dependency order. Pure.

    Start-first ones, and those that have nothing to stop and publish no port; and of these only those whose
    dependencies run already or start early too.
    """
    definitions = {n: u.definition for n, u in units.items()}
    found: list[str] = []
    for name in (n for n in services.in_order(definitions) if n in assignments):
        assignment = assignments[name]
        if not assignment.ready and not assignment.missing:
            continue
        alone = not assignment.old and not _exclusive(definitions[name])
        if order_of(target_policies.get(name), assignment) is Order.STOP_FIRST and not alone:
            continue
        if all(_satisfied(assignments[n], n in found) for n in services.needs(definitions[name]) if n in assignments):
            found.append(name)
    return tuple(found)


def _satisfied(assignment: Assignment, starts_early: bool) -> bool:
    return starts_early or bool(assignment.serving) or bool(assignment.old)


def _exclusive(definition: Mapping[str, Any]) -> bool:
    """Tell whether a service needs something that an orphan or another service of the old release may still hold."""
    mode = str(definition.get("network_mode") or "")
    return bool(
        services.published(definition)
        or definition.get("container_name")
        or policies.fixed_address(definition)
        or mode == "host"
    )
