"""Observe: what there is, without changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.runtime import Instance

from stagecraft_compose.containers import Container, assign
from stagecraft_compose.memory import Memory, Unit
from stagecraft_compose.site import Site

_NEVER = "0001-01-01T00:00:00Z"


def observe(site: Site) -> tuple[Instance, ...]:
    """Return every instance, and one marked ``missing`` per replica that the serving release wants and that is not
    there.
    """
    known, containers = site.look()
    details = site.engine.details(c.id for c in containers if c.started)
    units = known.units(known.current) or {}
    active = _active(known, containers)
    found = [
        _judged(_instance(site, c, c.id in active, details.get(c.id)), c, units.get(c.service)) for c in containers
    ]
    for name, unit in units.items():
        present = sum(c.id in active for c in containers if c.service == name)
        found += [Instance(name, site.host.name, "", "missing") for _ in range(unit.replicas - present)]
    return tuple(sorted(found, key=lambda i: (i.service, i.id)))


def instances(site: Site, release_id: str) -> tuple[Instance, ...]:
    """Return the instances that make up a release, whichever release started them.

    For a proxy's sake few questions are asked, two at once and one for each that does not seem well: when an instance
    started, and how often, is left out.
    """
    known, containers = site.look([release_id])
    units = known.units(release_id) or {}
    active = _active(known, containers)
    assignments = assign({name: unit.wanted for name, unit in units.items()}, containers)
    chosen = [c for a in assignments.values() for c in (*a.serving, *a.ready)]
    doubtful = [c for c in chosen if not c.fine or c.health == "starting"]
    fresh = {c.id: c for c in site.engine.refreshed(doubtful)}
    found = [_instance(site, fresh.get(c.id, c), c.id in active, None) for c in chosen]
    return tuple(sorted(found, key=lambda i: (i.service, i.id)))


def _active(known: Memory, containers: tuple[Container, ...]) -> set[str]:
    """Return the ids of the containers that the serving release wants, however well they are."""
    units: Mapping[str, Unit] = known.units(known.current) or {}
    assignments = assign({name: unit.wanted for name, unit in units.items()}, containers)
    found = {c.id for a in assignments.values() for c in (*a.serving, *a.ready)}
    return found | {
        c.id
        for name, a in assignments.items()
        for c in a.others
        if name in units and c.fingerprint == units[name].fingerprint
    }


def _judged(instance: Instance, container: Container, unit: Unit | None) -> Instance:
    """Return an instance that serves as unhealthy where somebody stopped or paused it; what is meant to end may have ended."""
    stopped = container.state == "exited" and unit is not None and not unit.finishes
    if instance.active and (stopped or container.state == "paused"):
        return attrs.evolve(instance, health="unhealthy")
    return instance


def _instance(site: Site, container: Container, active: bool, raw: Mapping[str, Any] | None) -> Instance:
    state = (raw or {}).get("State") or {}
    restarts = int((raw or {}).get("RestartCount") or 0)
    since = str(state.get("StartedAt") or "")
    ended = container.state in ("exited", "dead") or restarts
    code = int(state.get("ExitCode") or 0) if raw else container.exit_code
    return Instance(
        service=container.service,
        host=site.host.name,
        id=container.id,
        state={"paused": "running", "removing": "dead"}.get(container.state, container.state),
        health=container.health,
        release_id=container.release,
        active=active,
        image=container.image,
        ports=container.ports or _asked(raw or {}),
        address=container.address,
        exit_code=code if ended else None,
        restarts=restarts,
        since="" if since == _NEVER else since,
    )


def _asked(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses that a stopped container will publish."""
    found = (
        f"{b.get('HostIp') or '0.0.0.0'}:{b.get('HostPort')}->{target}"  # noqa: S104 - shown, not bound
        for target, bindings in ((raw.get("HostConfig") or {}).get("PortBindings") or {}).items()
        for b in bindings or ()
    )
    return tuple(sorted(set(found)))
