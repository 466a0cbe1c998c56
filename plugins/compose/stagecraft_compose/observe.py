"""Observe: what there is, without changing anything."""

from __future__ import annotations

from stagecraft_hookspecs.runtime import Instance

from stagecraft_compose import bundle
from stagecraft_compose.containers import Container, assign
from stagecraft_compose.site import Site


def observe(site: Site) -> tuple[Instance, ...]:
    """Return every instance, and one marked ``missing`` per replica that the serving release wants and that is not
    there.
    """
    containers = site.engine.containers()
    units = bundle.units_of(site.machine, site.home, bundle.current(site.machine, site.home)) or {}
    assignments = assign({name: unit.wanted for name, unit in units.items()}, containers)
    active = {c.id for a in assignments.values() for c in (*a.serving, *a.ready)}
    active |= {
        c.id
        for name, a in assignments.items()
        for c in a.others
        if name in units and c.fingerprint == units[name].fingerprint
    }
    found = [_instance(site, c, c.id in active) for c in containers]
    for name in assignments:
        present = sum(c.id in active for c in containers if c.service == name)
        lacking = (units[name].replicas - present) if name in units else 0
        found += [Instance(name, site.host.name, "", "missing") for _ in range(lacking)]
    return tuple(sorted(found, key=lambda i: (i.service, i.id)))


def _instance(site: Site, container: Container, active: bool) -> Instance:
    ended = container.state in ("exited", "dead") and bool(container.started)
    return Instance(
        service=container.service,
        host=site.host.name,
        id=container.id,
        state=_state(container.state),
        health=container.health,
        release_id=container.release,
        active=active,
        image=container.image,
        ports=container.ports,
        address=container.address,
        exit_code=container.exit_code if ended or container.restarts else None,
        restarts=container.restarts,
        since=container.started,
    )


def _state(state: str) -> str:
    return {"paused": "running", "removing": "dead"}.get(state, state)
