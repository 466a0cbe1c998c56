"""Switch: replace the stop-first services, in dependency order, and remember which release serves."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Order, Update

from stagecraft_compose import bundle, replace, walk
from stagecraft_compose.bundle import Unit
from stagecraft_compose.containers import Assignment, Container, assign
from stagecraft_compose.site import Site, move, order_of

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target


def switch(site: Site, target: Target) -> None:
    """Make the new release serve; what runs beside it from the old one keeps running until ``retire``."""
    release = target.deployment.release_id
    units = bundle.units_of(site.machine, site.home, release)
    if units is None:
        raise ProviderError(f"{release} was never prepared on {site.host.name}", hint="deploy again; it prepares first")
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = chosen(assign(wanted, site.engine.containers()), target)
    lacking = sorted(name for name, a in assignments.items() if name in units and a.missing)
    if lacking:
        raise ProviderError(f"containers of {', '.join(lacking)} are gone from {site.host.name}", hint="deploy again")
    _free_ports(site, units, assignments)
    moves = []
    for name in (n for n in units if n in assignments):
        policy = target.policies.get(name)
        stops = assignments[name].old if order_of(policy, assignments[name]) is Order.STOP_FIRST else ()
        if assignments[name].ready or stops:
            moves.append(move(site, units, name, assignments[name].ready, stops, policy.update if policy else Update()))
    replace.make_moves(site.ctx, site.engine, moves, site.begin_stops)
    if not target.only:
        bundle.set_current(site.machine, site.home, release)


def chosen(assignments: Mapping[str, Assignment], target: Target) -> dict[str, Assignment]:
    """Return the assignments of the services that the step may act on."""
    return {name: a for name, a in assignments.items() if not target.only or name in target.only}


def _free_ports(site: Site, units: Mapping[str, Unit], assignments: Mapping[str, Assignment]) -> None:
    """Stop the containers of services that the release no longer has, where they hold a port or a name that it may
    want.
    """
    gone = [c for name, a in assignments.items() if name not in units for c in a.old if c.ports or c.wanted_name]
    stop_all(site, gone)


def stop_all(site: Site, containers: list[Container]) -> None:
    """Stop containers at once, each with its own grace."""
    if not containers:
        return
    site.begin_stops({c.id for c in containers})
    for container in containers:
        site.ctx.progress(f"stopping {container.name}", service=container.service, host=site.host.name)
    calls = [functools.partial(site.engine.stop, c.id, c.grace) for c in containers]
    walk.run(site.ctx, {"stop": walk.together(calls)})
    for container in containers:
        replace.give_up_name(site.engine, container)
