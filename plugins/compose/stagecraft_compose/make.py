"""Create containers that a release lacks on a host."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stagecraft_hookspecs.errors import ProviderError

from stagecraft_compose import create, derive, images, naming
from stagecraft_compose.containers import Assignment, Container, assign
from stagecraft_compose.memory import Unit
from stagecraft_compose.site import Site


def make(
    site: Site, release_id: str, units: Mapping[str, Unit], assignments: Mapping[str, Assignment]
) -> tuple[Container, ...]:
    """Create the missing containers and return all; those made from another image than the release's are refused."""
    folder = site.folder(release_id)
    document = json.loads(site.machine.read(f"{folder}/{naming.HOST_FILE}"))
    lacking = {name for name, a in assignments.items() if name in units and a.missing}
    inherited = {n: v for n in sorted(lacking) if (v := _inherited(site, assignments[n], units[n]))}
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


def remember_compose(site: Site, known: str, found: str) -> None:
    """Remember the version of Docker Compose, so that the next check need not run it."""
    if found and found != known:
        site.machine.write(naming.version_file(site.home), f"{found}\n".encode())


def _neighbours(assignments: Mapping[str, Assignment]) -> dict[str, str]:
    """Return the container that those who share a service's namespaces are tied to: the release's first one."""
    found = {name: (*a.serving, *a.ready) for name, a in assignments.items()}
    return {name: containers[0].id for name, containers in found.items() if containers}


def _inherited(site: Site, assignment: Assignment, unit: Unit) -> dict[str, str]:
    """Return the volumes to take over: anonymous ones that the image still declares."""
    found = create.inherited_volumes(assignment)
    declared = images.declared_volumes(site.engine, unit.image_id) if found else ()
    return {path: name for path, name in found.items() if path in declared}
