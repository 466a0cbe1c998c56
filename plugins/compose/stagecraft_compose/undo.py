"""Undo: make the previous release serve again, from whatever state the host is in.

Nothing is taken from memory: what the previous release wants stands in its ``services.json``, what there is stands
in the containers' labels, and whose stop was begun stands in ``HOME/stopping``. So it works after a kill at any
point, and it is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Update

from stagecraft_compose import bundle, naming, replace, resources
from stagecraft_compose.bundle import Unit
from stagecraft_compose.containers import Container, assign
from stagecraft_compose.exclusive import wait_for_others
from stagecraft_compose.prepare import make
from stagecraft_compose.site import Site, move
from stagecraft_compose.switch import stop_all

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target

_ALL = Update(parallelism=0)
#: Seconds that containers of the undone release get to stop.
GRACE = 3.0


def undo(site: Site, target: Target) -> None:
    """Put the previous release back; remove what this one made."""
    release, previous = target.deployment.release_id, target.previous_id
    units = bundle.units_of(site.machine, site.home, previous)
    if previous and units is None:
        raise ProviderError(
            f"{site.host.name} has no record of {previous}, so it cannot be put back there",
            hint="see what runs: stagecraft status",
        )
    _settle(site)
    if units is not None:
        restore(site, previous, units)
    _remove(site, release, units or {})
    bundle.set_current(site.machine, site.home, previous)
    bundle.forget_stops(site.machine, site.home)
    left = site.engine.containers()
    if not left and not previous:
        resources.remove_own_networks(site.engine)
    used = {c.release for c in left}
    if release and release != previous and release not in used:
        site.machine.remove(site.folder(release))


def _settle(site: Site) -> None:
    """Let what an earlier run began come to its end: a compose process still at work, a stop that the engine carries
    on with.
    """
    waiting = wait_for_others(naming.lock_file(site.home))
    if waiting and bundle.read_if_there(site.machine, naming.lock_file(site.home)) is not None:
        site.machine.run(waiting, check=False)
    begun = bundle.begun_stops(site.machine, site.home)
    if begun:
        stop_all(site, [c for c in site.engine.containers() if c.id in begun and c.running])


def restore(site: Site, release_id: str, units: Mapping[str, Unit]) -> None:
    """Make a release's containers serve: stop what is in their place, start them, wait until they are healthy."""
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = assign(wanted, site.engine.containers())
    if any(assignments[name].missing for name in units):
        assignments = assign(wanted, make(site, release_id, units, assignments, {}))
    idle = {name: a for name, a in assignments.items() if name in units and a.ready}
    strangers = [c for name, a in assignments.items() if name not in units for c in a.old]
    stop_all(site, strangers)
    moves = [move(site, units, name, a.ready, tuple(map(hurried, a.old)), _ALL) for name, a in idle.items()]
    replace.make_moves(site.ctx, site.engine, moves, site.begin_stops)


def hurried(container: Container) -> Container:
    """Return the container with a short grace: what is undone has few requests in flight, and time is short."""
    return attrs.evolve(container, grace=min(container.grace, GRACE))


def _remove(site: Site, release: str, units: Mapping[str, Unit]) -> None:
    """Remove what the undone release made, and stop what it had taken from an earlier one; the previous one's stays."""
    assignments = assign({name: unit.wanted for name, unit in units.items()}, site.engine.containers())
    others = [c for a in assignments.values() for c in a.others]
    stop_all(site, [hurried(c) for c in others if c.running])
    for container in others:
        if container.release == release:
            site.engine.remove(container.id)
        elif container.started:
            site.engine.restart_policy(container.id, "no")
