"""Prepare: ship files, get images, create the new containers beside the old, start those that may run beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.runtime import Prepared, Update
from stagecraft_hookspecs.values import File

from stagecraft_compose import (
    bundle,
    data,
    derive,
    fingerprints,
    images,
    memory,
    naming,
    preflight,
    replace,
    resources,
    services,
    sources,
)
from stagecraft_compose.containers import Assignment, Container, Wanted, assign
from stagecraft_compose.derive import Existing
from stagecraft_compose.make import make, remember_compose
from stagecraft_compose.memory import Memory, Unit
from stagecraft_compose.parallel import gather
from stagecraft_compose.site import Site, Stops, early, move
from stagecraft_compose.switch import chosen

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target


@attrs.frozen
class Shipped:
    """Hold what a host has once a release's files and images are there: what is wanted of it, what it remembers, its
    containers.
    """

    units: Mapping[str, Unit]
    known: Memory
    containers: tuple[Container, ...]


def prepare(site: Site, target: Target) -> Prepared:
    """Do everything that users do not notice; see the module."""
    shipped = ship(site, target)
    units, containers = shipped.units, shipped.containers
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = chosen(assign(wanted, containers), target)
    pending = {name for name, a in assignments.items() if name in units and (a.ready or a.missing)}
    if pending:
        compose = preflight.before_creating(site, {name: units[name].definition for name in pending})
        remember_compose(site, shipped.known.compose, compose)
    lacking = {name for name, a in assignments.items() if name in units and a.missing}
    if lacking:
        here = [s for s in target.deployment.on(site.host.name) if s.name in lacking]
        images.ensure(site.ctx, site.host, site.engine, here, {})  # a tag may have been removed by hand
        release = target.deployment.release_id
        containers = make(site, release, units, assign_only(wanted, containers, target))
        assignments = chosen(assign(wanted, containers), target)
    start_early(site, site.stops(shipped.known), target, units, assignments)
    changed = sorted(name for name, a in assignments.items() if name in units and (name in pending or not a.settled))
    return Prepared(tuple(changed), tuple(sorted(set(units) - set(changed))))


def ship(site: Site, target: Target) -> Shipped:
    """Have the release's images and files on the host."""
    preflight.refuse(site.host.name, [p for p in (preflight.engine(site),) if p])
    release, here = target.deployment.release_id, target.deployment.on(site.host.name)
    files = bundle.filled(site.ctx, target.files)
    document = json.loads(files[naming.COMPOSE_FILE].data)
    files |= sources.contents(site, document)
    (known, containers), existing = _look(site, release, document)
    files[naming.HOST_FILE] = _host_file(site, document, existing)
    there = images.known(known.units(known.current) or {}, containers)
    identities = images.ensure(site.ctx, site.host, site.engine, here, there)
    units = units_for(site, target, document, files, identities)
    env = _env(site, target, units)
    bundle.ship(site.machine, site.folder(release), files, units, env, data.shipped_folders(document))
    data.ensure(site, document)
    memory.forget_stops(site.machine, site.home, known, release)
    return Shipped(units, known, containers)


def _look(
    site: Site, release: str, document: Mapping[str, Any]
) -> tuple[tuple[Memory, tuple[Container, ...]], Existing]:
    """Ask at once what the host remembers, which containers it has, and which networks and volumes."""
    seen, existing = gather([lambda: site.look([release]), lambda: resources.existing(site.engine, document)])
    assert isinstance(seen, tuple) and isinstance(existing, Existing)
    return seen, existing


def assign_only(
    wanted: Mapping[str, Wanted], containers: tuple[Container, ...], target: Target
) -> dict[str, Assignment]:
    """Return all assignments, with nothing missing where the step may not act: compose is told of every service's
    scale.
    """
    found = assign(wanted, containers)
    mine = chosen(found, target)
    return {name: a if name in mine else attrs.evolve(a, missing=0) for name, a in found.items()}


def _host_file(site: Site, document: Mapping[str, Any], existing: Existing) -> File:
    found = derive.for_host(document, existing, preflight.numbers(str(site.engine.api.api_version)))
    return File(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False).encode(), 0o600)


def units_for(
    site: Site,
    target: Target,
    document: Mapping[str, Any],
    files: Mapping[str, File],
    image_ids: Mapping[str, str],
) -> dict[str, Unit]:
    """Return what the release wants of each service here."""
    prints = fingerprints.fingerprints(document, files, image_ids, data.places(site))
    here = target.deployment.on(site.host.name)
    waited_for = services.awaited({s.name: s.definition for s in here})
    return {
        s.name: Unit(
            fingerprint=prints[s.name],
            replicas=s.replicas,
            finishes=services.one_shot(s.name, s.definition, waited_for),
            image=document["services"][s.name]["image"],
            image_id=image_ids[s.name],
            order=str(target.policies[s.name].order) if s.name in target.policies else "",
            definition=slim(s.definition),
        )
        for s in here
    }


def slim(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what later steps ask of a definition; nothing in it can hold a secret."""
    kept = (
        "depends_on",
        "deploy",
        "healthcheck",
        "ports",
        "restart",
        "network_mode",
        "container_name",
        "x-stagecraft",
    )
    return {key: definition[key] for key in kept if definition.get(key) is not None}


def start_early(
    site: Site, stops: Stops, target: Target, units: Mapping[str, Unit], assignments: Mapping[str, Assignment]
) -> None:
    """Start what may run beside the old, and wait until it is healthy."""
    moves = []
    for name in early(assignments, units, target.policies):
        policy = target.policies.get(name)
        update = policy.update if policy else Update()
        moves.append(move(site, units, name, assignments[name].ready, (), update))
    replace.make_moves(site.ctx, site.engine, moves, stops.begin)


def _env(site: Site, target: Target, units: Mapping[str, Unit]) -> dict[str, str]:
    """Return the variables that the rendered compose file is interpolated with."""
    env = {naming.variable("RELEASE"): target.deployment.release_id}
    env |= {naming.variable(kind): place for kind, place in data.places(site).items()}
    return env | {naming.variable("FINGERPRINT", name): unit.fingerprint for name, unit in units.items()}
