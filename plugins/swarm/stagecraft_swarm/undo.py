"""Undo: give the swarm the previous release's stack again, or remove what the first release made."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, ProviderError
from stagecraft_hookspecs.runtime import Target

from stagecraft_swarm import engine, gate, naming, objects, prepare, switch, verdict

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site


def undo(site: Site, target: Target) -> None:
    """Make the previous release serve; a host that does not lead forgets the release."""
    release, previous = target.deployment.release_id, target.previous_id
    if site.leads():
        if previous:
            _back(site, target.host, previous)
        else:
            _nothing(site, target.host)
    if release and release != previous:
        site.ctx.machine(site.host).remove(site.folder(release))


def _back(site: Site, leader: Host, previous: str) -> None:
    try:
        document = prepare.recall(site, previous)
    except NotFound as error:
        raise ProviderError(
            f"{leader.name} has no record of {previous}, so it cannot be put back",
            hint="see what runs: stagecraft status, docker stack services",
        ) from error
    objects.label_nodes(site, leader, document)
    switch.deploy(site, document)
    gate.wait(site, leader, verdict.wanted(document), (), strict=False)
    switch.wait_until_gone(site, leader)


def _nothing(site: Site, leader: Host) -> None:
    """Remove the stack's services that are ours, wait until their tasks are gone, then what they used."""
    ours = [s for s in site.services(leader) if (s["Spec"].get("Labels") or {}).get(naming.RELEASE)]
    api = site.api(leader)
    for service in ours:
        remove = functools.partial(api.remove_service, str(service["ID"]))
        engine.unless_gone(leader.name, "remove a service", remove)
    if not switch.wait_until_gone(site, leader, {str(s["ID"]) for s in ours}):
        names = ", ".join(sorted(str(s["Spec"]["Name"]) for s in ours))
        raise ProviderError(f"tasks of {names} do not stop", hint=f"see why: docker stack ps {site.stack}")
    objects.remove(site, leader, ())
    objects.remove_networks(site, leader)
