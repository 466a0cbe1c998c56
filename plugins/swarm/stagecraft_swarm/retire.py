"""Retire: wait until replaced tasks have stopped; remove what no kept release needs."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound
from stagecraft_hookspecs.runtime import Leftover, Target
from stagecraft_hookspecs.values import Command

from stagecraft_swarm import objects, prepare, stackfile, switch

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

TIMEOUT = 30.0


def retire(site: Site, target: Target) -> None:
    """Clear away after a switch."""
    for old in target.expired:
        site.ctx.machine(site.host).remove(site.folder(old))
    if not site.leads():
        return
    release = target.deployment.release_id
    switch.wait_until_gone(site, target.host)
    if target.only:
        return
    objects.label_nodes(site, target.host, prepare.recall(site, release), exact=True)
    kept = {r for r in (release, target.previous_id, *target.retained) if r and r not in target.expired}
    objects.remove(site, target.host, _needed(site, kept))


def _needed(site: Site, releases: Collection[str]) -> set[str]:
    """Return the names of the configs and secrets that releases use."""
    found: set[str] = set()
    for release in sorted(releases):
        try:
            found |= stackfile.used(prepare.recall(site, release))
        except NotFound:
            continue
    return found


def prune(site: Site, host: Host, keep: Collection[str], *, dry_run: bool) -> tuple[Leftover, ...]:
    """Remove releases' folders and the swarm's configs and secrets that no kept release needs; return them."""
    machine = site.ctx.machine(host)
    folder = posixpath.dirname(site.folder("any"))
    listed = machine.run(
        Command(("sh", "-c", 'ls -1 -- "$1" 2>/dev/null || :', "ls", folder), cwd="/", timeout=TIMEOUT)
    )
    gone = [Leftover("release", name) for name in sorted(listed.stdout.split()) if name not in keep]
    if not dry_run:
        for one in gone:
            machine.remove(f"{folder}/{one.name}")
    if site.leads():
        removed = objects.remove(site, host, _needed(site, keep), dry_run=dry_run)
        gone += [Leftover(kind, name) for kind, name in removed]
    return tuple(sorted(gone, key=lambda one: (one.kind, one.name)))
