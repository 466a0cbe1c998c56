"""Retire: drain and stop what the old release left running, keep it stopped for a rollback, remove what has expired."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Command

from stagecraft_compose import images, naming, walk
from stagecraft_compose.containers import Container, assign
from stagecraft_compose.memory import Memory
from stagecraft_compose.site import Site
from stagecraft_compose.switch import stop_all

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target

#: Seconds that removing what has expired may take.
REMOVING = 120.0


def retire(site: Site, target: Target) -> None:
    """Leave running what the release wants, stopped what the previous one wants, and nothing else."""
    release, previous = target.deployment.release_id, target.previous_id
    known, containers = site.look([release, previous, *target.retained])
    units = known.units(release) or {}
    assignments = assign({name: unit.wanted for name, unit in units.items()}, containers)
    others = [c for a in assignments.values() for c in a.others]
    for name in sorted(set(assignments) - set(units)):
        if assignments[name].old:
            site.ctx.log(f"{name} is no longer in the compose file: stopped", service=name, host=site.host.name)
    stop_all(site, site.stops(known), [c for c in others if c.running])
    kept = _kept(known, previous, others) if previous != release else set()
    # a stopped container with `restart: always` would come back with the engine
    calls = [
        functools.partial(site.engine.restart_policy, c.id, "no")
        if c.id in kept
        else functools.partial(site.engine.remove, c.id)
        for c in others
    ]
    walk.run(site.ctx, {"retire": walk.together([*calls, site.engine.remove_finished_oneoffs])})
    if known.stopping or any(c.running for c in others):
        site.machine.remove(naming.stopping_file(site.home))
    _expire(site, target, known, {c.release for c in containers if c not in others or c.id in kept})


def _kept(known: Memory, previous: str, others: list[Container]) -> set[str]:
    """Return the ids of the containers that would serve after a rollback to the previous release."""
    units = known.units(previous) or {}
    found = assign({name: unit.wanted for name, unit in units.items()}, others)
    return {c.id for a in found.values() for c in (*a.serving, *a.ready)}


def _expire(site: Site, target: Target, known: Memory, used: set[str]) -> None:
    """Remove expired releases' files, unless a container still mounts them, and the images that no kept release has."""
    stay = {target.deployment.release_id, target.previous_id, *target.retained}
    gone = [old for old in target.expired if old and old not in stay]
    keep: set[str] = set()
    for old in sorted(stay - {""}):
        keep |= {unit.image for unit in (known.units(old) or {}).values()}
    folders = [site.folder(old) for old in gone if old in known.shipped and old not in used]
    if folders:
        site.machine.run(Command(("rm", "-rf", "--", *folders), cwd="/", timeout=REMOVING))
    if gone:
        images.prune(site.engine, keep)
