"""Prepare: ship files, get images, create the new containers beside the old, start those that may run beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Prepared, Update

from stagecraft_compose import (
    bundle,
    create,
    derive,
    fingerprints,
    images,
    naming,
    preflight,
    replace,
    resources,
    services,
    sources,
)
from stagecraft_compose.bundle import Unit
from stagecraft_compose.containers import Assignment, Container, Wanted, assign
from stagecraft_compose.site import Site, early, move
from stagecraft_compose.switch import chosen

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Target


def prepare(site: Site, target: Target) -> Prepared:
    """Do everything that users do not notice; see the module."""
    containers = site.engine.containers()
    units, found = ship(site, target)
    wanted = {name: unit.wanted for name, unit in units.items()}
    assignments = chosen(assign(wanted, containers), target)
    pending = {name for name, a in assignments.items() if name in units and (a.ready or a.missing)}
    if pending:
        preflight.room(site, {name: units[name].definition for name in pending})
    if any(a.missing for a in assignments.values()):
        containers = make(site, target.deployment.release_id, units, assign_only(wanted, containers, target), found)
        assignments = chosen(assign(wanted, containers), target)
    start_early(site, target, units, assignments)
    changed = sorted(name for name, a in assignments.items() if name in units and (name in pending or not a.settled))
    return Prepared(tuple(changed), tuple(sorted(set(units) - set(changed))))


def ship(site: Site, target: Target) -> tuple[dict[str, Unit], dict[str, dict[str, Any]]]:
    """Have the release's images and files on the host; return what it wants there, and what the engine says of the
    images.
    """
    api = preflight.engine(site)
    contents = bundle.filled(site.ctx, target.files)
    document = json.loads(contents[naming.COMPOSE_FILE])
    contents |= sources.contents(site, document)
    contents[naming.HOST_FILE] = _host_file(site, document, api)
    found = {s.name: images.ensure(site.ctx, site.engine, s) for s in target.deployment.on(site.host.name)}
    units = units_for(site, target, contents, {name: image["Id"] for name, image in found.items()})
    env = _env(site, target, units)
    modes = {path: file.mode for path, file in target.files.items()}
    bundle.ship(site.machine, site.folder(target.deployment.release_id), modes, contents, units, env)
    bundle.forget_stops(site.machine, site.home, target.deployment.release_id)
    return units, found


def assign_only(
    wanted: Mapping[str, Wanted], containers: tuple[Container, ...], target: Target
) -> dict[str, Assignment]:
    """Return all assignments, with nothing missing where the step may not act: compose is told of every service's
    scale.
    """
    found = assign(wanted, containers)
    mine = chosen(found, target)
    return {name: a if name in mine else attrs.evolve(a, missing=0) for name, a in found.items()}


def _host_file(site: Site, document: Mapping[str, Any], api: tuple[int, ...]) -> bytes:
    found = derive.for_host(document, resources.existing(site.engine, document), api)
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False).encode()


def units_for(
    site: Site, target: Target, contents: Mapping[str, bytes], image_ids: Mapping[str, str]
) -> dict[str, Unit]:
    """Return what the release wants of each service here."""
    document = json.loads(contents[naming.COMPOSE_FILE])
    prints = fingerprints.fingerprints(document, contents, image_ids, str(site.ctx.root))
    here = target.deployment.on(site.host.name)
    waited_for = services.awaited({s.name: s.definition for s in here})
    return {
        s.name: Unit(
            fingerprint=prints[s.name],
            replicas=s.replicas,
            finishes=services.one_shot(s.name, s.definition, waited_for),
            image=document["services"][s.name]["image"],
            image_id=image_ids[s.name],
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
        "stop_grace_period",
        "x-stagecraft",
    )
    return {key: definition[key] for key in kept if definition.get(key) is not None}


def make(
    site: Site,
    release_id: str,
    units: Mapping[str, Unit],
    assignments: Mapping[str, Assignment],
    image_facts: Mapping[str, Mapping[str, Any]],
) -> tuple[Container, ...]:
    """Create the missing containers and return all; those made from another image than the release's are refused."""
    folder = site.folder(release_id)
    document = json.loads(site.machine.read(f"{folder}/{naming.HOST_FILE}"))
    lacking = {name for name, a in assignments.items() if name in units and a.missing}
    inherited = {n: v for n in sorted(lacking) if (v := _inherited(assignments[n], image_facts.get(n)))}
    wanted = {name: unit.wanted for name, unit in units.items()}
    containers: tuple[Container, ...] = ()
    site.ctx.progress(f"creating {', '.join(sorted(lacking))}", host=site.host.name)
    for names in derive.passes(lacking, document["services"]):
        containers = containers or site.engine.containers()
        neighbours = _neighbours(assign(wanted, containers))
        create_document = derive.for_create(document, names, inherited, neighbours)
        data = json.dumps(create_document, indent=1, sort_keys=True).encode()
        site.machine.write(f"{folder}/{naming.CREATE_FILE}", data, mode=0o600)
        scales = {name: create.scale(assignments[name]) for name in names}
        create.run_compose(site.machine, create.create_command(site.engine.project, folder, scales), site.home)
        containers = site.engine.containers()
    for container in containers:
        unit = units.get(container.service)
        if unit and container.fingerprint == unit.fingerprint and container.image_id != unit.image_id:
            hint = f"was the tag moved? docker tag {unit.image_id} {unit.image}"
            raise ProviderError(f"{container.name} was made from another image than {unit.image}", hint=hint)
    return containers


def _neighbours(assignments: Mapping[str, Assignment]) -> dict[str, str]:
    """Return the container that those who share a service's namespaces are tied to: the release's first one."""
    found = {name: (*a.serving, *a.ready) for name, a in assignments.items()}
    return {name: containers[0].id for name, containers in found.items() if containers}


def start_early(site: Site, target: Target, units: Mapping[str, Unit], assignments: Mapping[str, Assignment]) -> None:
    """Start what may run beside the old, and wait until it is healthy."""
    moves = []
    for name in early(assignments, units, target.policies):
        policy = target.policies.get(name)
        update = policy.update if policy else Update()
        moves.append(move(site, units, name, assignments[name].ready, (), update))
    replace.make_moves(site.ctx, site.engine, moves, site.begin_stops)


def _inherited(assignment: Assignment, image: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the volumes to take over: anonymous ones that the image still declares."""
    declared = ((image or {}).get("Config") or {}).get("Volumes") or {}
    return {path: name for path, name in create.inherited_volumes(assignment).items() if path in declared}


def _env(site: Site, target: Target, units: Mapping[str, Unit]) -> dict[str, str]:
    """Return the variables that the rendered compose file is interpolated with."""
    env = {naming.variable("RELEASE"): target.deployment.release_id, naming.variable("ROOT"): str(site.ctx.root)}
    return env | {naming.variable("FINGERPRINT", name): unit.fingerprint for name, unit in units.items()}
