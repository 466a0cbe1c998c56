"""Undo: make the previous release serve again, from whatever state the host is in.

Nothing is taken from memory: what the previous release wants stands in its ``services.json``, what there is stands
in the containers' labels, and whose stop was begun stands in ``HOME/stopping``. So it works after a kill at any
point, and it is safe to repeat.

After Ctrl-C there are few seconds. So all that has to stop before something can start is stopped at once, and nothing
gets its full grace again: what is undone has few requests in flight, and what was told to stop has had its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Order, Update

from stagecraft_compose import memory, naming, replace, resources, services
from stagecraft_compose.containers import Assignment, Container, Wanted, assign
from stagecraft_compose.exclusive import wait_for_others
from stagecraft_compose.make import make
from stagecraft_compose.memory import Memory, Unit
from stagecraft_compose.replace import Move
from stagecraft_compose.site import Site, Stops, move
from stagecraft_compose.switch import stop_all

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target

#: Seconds that a container gets to stop while a release is undone, or less if its own grace is shorter.
GRACE = 3.0


def undo(site: Site, target: Target) -> None:
    """Put the previous release back; remove what this one made."""
    release, previous = target.deployment.release_id, target.previous_id
    site.machine.run(wait_for_others(naming.lock_file(site.home)), check=False)
    known, listed = site.look([release, previous])
    containers = site.engine.refreshed(listed)
    units = known.units(previous)
    if previous and units is None:
        raise ProviderError(
            f"{site.host.name} has no record of {previous}, so it cannot be put back there",
            hint="see what runs: stagecraft status",
        )
    stops = site.stops(known)
    containers = _stop_at_once(site, stops, known, units or {}, containers)
    if units is not None:
        containers = restore(site, stops, previous, units, containers)
    left = _remove(site, stops, release, units or {}, containers)
    memory.set_current(site.machine, site.home, known, previous)
    if stops.known:
        site.machine.remove(naming.stopping_file(site.home))
    if not left and not previous:
        resources.remove_own_networks(site.engine)
    if release and release != previous and release not in {c.release for c in left}:
        site.machine.remove(site.folder(release))


def _stop_at_once(
    site: Site, stops: Stops, known: Memory, units: Mapping[str, Unit], containers: tuple[Container, ...]
) -> tuple[Container, ...]:
    """Stop what is stopping already, what is in the way of those, and what the previous release does not need gone
    later; return the containers as they then are.
    """
    stopping = {c.id for c in containers if c.id in known.begun and c.running}
    todo = doomed({name: unit.wanted for name, unit in units.items()}, containers, stopping)
    if not todo:
        return containers
    stop_all(site, stops, todo, GRACE)
    return site.engine.refreshed(containers)


def doomed(wanted: Mapping[str, Wanted], containers: Iterable[Container], stopping: set[str]) -> list[Container]:
    """Return what can be stopped before anything is started, given the ids of those whose stop was begun. Pure.

    These are the stopping ones; whatever else runs of their services, since it may hold what they need; and all that
    services run besides a complete set of what is wanted.
    """
    known = {c.id: c for c in containers}
    seen = [attrs.evolve(c, state="exited") if c.id in stopping else c for c in known.values()]
    found = set(stopping)
    for name, assignment in assign(wanted, seen).items():
        mine = any(known[c.id].service == name for c in seen if c.id in stopping)
        complete = name in wanted and not assignment.ready and not assignment.missing
        if mine or complete:
            found |= {c.id for c in assignment.old}
    return [c for c in known.values() if c.id in found]


def restore(
    site: Site, stops: Stops, release_id: str, units: Mapping[str, Unit], containers: tuple[Container, ...]
) -> tuple[Container, ...]:
    """Make a release's containers serve: start them where they do not, in the order that ``rollback_config`` asks for,
    wait until they are healthy; return the containers as they then are.
    """
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = assign(wanted, containers)
    if any(assignments[name].missing for name in units):
        assignments = assign(wanted, make(site, release_id, units, assignments))
    strangers = [c for name, a in assignments.items() if name not in units for c in a.old]
    stop_all(site, stops, strangers, GRACE)
    idle = {name: a for name, a in assignments.items() if name in units and a.ready}
    moves = [_move(site, units, name, assignment) for name, assignment in idle.items()]
    replace.make_moves(site.ctx, site.engine, moves, stops.begin)
    return site.engine.refreshed(site.engine.containers()) if moves or strangers else containers


def _move(site: Site, units: Mapping[str, Unit], name: str, assignment: Assignment) -> Move:
    """Return how a service goes back: as ``rollback_config`` says, else in the order that it was deployed in, all
    instances at once.
    """
    config = (units[name].definition.get("deploy") or {}).get("rollback_config") or {}
    update = Update(
        parallelism=int(config.get("parallelism", 0)),
        delay=services.seconds(config.get("delay")),
        failure_action=str(config.get("failure_action", "pause")),
        max_failure_ratio=float(config.get("max_failure_ratio", 0.0)),
    )
    found = move(site, units, name, assignment.ready, assignment.old, update)
    expected = attrs.evolve(found.expected, monitor=services.seconds(config.get("monitor"), found.expected.monitor))
    return attrs.evolve(found, limit=GRACE, expected=expected, after=beside(units[name], assignment))


def beside(unit: Unit, assignment: Assignment) -> bool:
    """Tell whether a service's former containers may start before the undone ones stop; pure."""
    config = (unit.definition.get("deploy") or {}).get("rollback_config") or {}
    shared = any(c.volumes for c in assignment.old)
    return unit.order == Order.START_FIRST and config.get("order") != Order.STOP_FIRST and not shared


def _remove(
    site: Site, stops: Stops, release: str, units: Mapping[str, Unit], containers: tuple[Container, ...]
) -> tuple[Container, ...]:
    """Remove what the undone release made, and stop what it had taken from an earlier one; the previous one's stays.

    Returns the containers that are left.
    """
    assignments = assign({name: unit.wanted for name, unit in units.items()}, containers)
    others = [c for a in assignments.values() for c in a.others]
    stop_all(site, stops, [c for c in others if c.running], GRACE)
    gone = set()
    for container in others:
        if container.release == release:
            site.engine.remove(container.id)
            gone.add(container.id)
        elif container.started:
            site.engine.restart_policy(container.id, "no")
    return tuple(c for c in containers if c.id not in gone)
