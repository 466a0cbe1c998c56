"""Switch: replace the stop-first services, in dependency order, and remember which release serves."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Order, Update

from stagecraft_compose import memory, ports, replace, walk
from stagecraft_compose.containers import Assignment, Container, assign
from stagecraft_compose.memory import Unit
from stagecraft_compose.site import Site, Stops, move, order_of

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.runtime import Target


def switch(site: Site, target: Target) -> None:
    """Make the new release serve; what runs beside it from the old one keeps running until ``retire``."""
    release = target.deployment.release_id
    known, containers = site.look([release])
    units = known.units(release)
    if units is None:
        raise ProviderError(f"{release} was never prepared on {site.host.name}", hint="deploy again; it prepares first")
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = chosen(assign(wanted, containers), target)
    lacking = sorted(name for name, a in assignments.items() if name in units and a.missing)
    if lacking:
        raise ProviderError(f"containers of {', '.join(lacking)} are gone from {site.host.name}", hint="deploy again")
    stops = site.stops(known)
    routes = [r for s in target.deployment.on(site.host.name) if s.name in assignments for r in s.routes]
    stopped = _free_ports(site, stops, units, assignments, routes)
    moves = []
    for name in (n for n in units if n in assignments):
        policy = target.policies.get(name)
        old = tuple(c for c in assignments[name].old if c.id not in stopped)
        stop = old if order_of(policy, assignments[name]) is Order.STOP_FIRST else ()
        if assignments[name].ready or stop:
            moves.append(move(site, units, name, assignments[name].ready, stop, policy.update if policy else Update()))
    replace.make_moves(site.ctx, site.engine, moves, stops.begin)
    if not target.only:
        memory.set_current(site.machine, site.home, known, release)


def chosen(assignments: Mapping[str, Assignment], target: Target) -> dict[str, Assignment]:
    """Return the assignments of the services that the step may act on."""
    return {name: a for name, a in assignments.items() if not target.only or name in target.only}


def _free_ports(
    site: Site,
    stops: Stops,
    units: Mapping[str, Unit],
    assignments: Mapping[str, Assignment],
    routes: Iterable[Route],
) -> set[str]:
    """Stop what holds a port or a name that the release may want, or a port that a proxy is to listen on.

    The first are containers of services that the release no longer has; the second are any that it replaces. Returns
    the ids of those that were stopped.
    """
    listens = {(route.bind, route.listen) for route in routes}
    gone = [
        c
        for name, a in assignments.items()
        for c in a.old
        if (name not in units and (c.ports or c.wanted_name)) or publishes(c, listens)
    ]
    stop_all(site, stops, gone)
    return {c.id for c in gone}


def publishes(container: Container, listens: Iterable[tuple[str, int]]) -> bool:
    """Tell whether a container publishes one of the (address, TCP port) pairs; pure."""
    for published in container.ports:
        outer, _, inner = published.partition("->")
        address, _, port = outer.rpartition(":")
        if inner.endswith("/tcp") and any(
            int(port) == number and ports.overlap(address, bind) for bind, number in listens
        ):
            return True
    return False


def stop_all(site: Site, stops: Stops, containers: Iterable[Container], limit: float | None = None) -> None:
    """Stop containers at once, each with its own grace or ``limit`` seconds if that is less."""
    todo = list(containers)
    if not todo:
        return
    stops.begin({c.id for c in todo})
    for container in todo:
        site.ctx.progress(f"stopping {container.name}", service=container.service, host=site.host.name)
    calls = [functools.partial(site.engine.stop, c.id, limit) for c in todo]
    walk.run(site.ctx, {"stop": walk.together(calls)})
    for container in todo:
        replace.give_up_name(site.engine, container)
