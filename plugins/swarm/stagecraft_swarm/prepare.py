"""Prepare: images on every host, files on this one, configs, secrets and networks in the swarm. Nothing is started."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import InternalError, ProviderError, Refused
from stagecraft_hookspecs.runtime import Prepared, Target
from stagecraft_hookspecs.values import Command, File

from stagecraft_swarm import engine, naming, objects, script, stackfile
from stagecraft_swarm.site import label

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Service
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

TIMEOUT = 30.0


def preflight(site: Site, target: Target) -> None:
    """Check that the host is in a swarm of which a manager is known, that all hosts are in the same, that the stack is ours."""
    if site.leads():
        objects.nodes_of(site, target.host, site.nodes())
        refuse_strangers(site, target.host)


def refuse_strangers(site: Site, leader: Host) -> None:
    """Refuse a stack of this name that somebody else deployed: its services would be replaced and pruned."""
    foreign = [str(s["Spec"]["Name"]) for s in site.services(leader) if not (s["Spec"]["Labels"].get(naming.RELEASE))]
    if foreign:
        raise Refused(
            f"the stack {site.stack} is there already, and not Stagecraft's: {', '.join(sorted(foreign))}",
            hint=f"set stack_name to another name, or remove it: docker stack rm {site.stack}",
        )


def prepare(site: Site, target: Target) -> Prepared:
    """Ship the release; say what the switch will replace on this host."""
    leads = site.leads()
    if leads:
        refuse_strangers(site, target.host)
        deliver(site, target)
    document = ship(site, target)
    serving = _serving(site)
    release, mine = target.deployment.release_id, {s.name for s in target.deployment.on(target.host.name)}
    mine = {n for n in mine if not target.only or n in target.only}
    changed = {n for n in mine if n not in serving or document["services"][n]["labels"][naming.RELEASE] == release}
    every = {s.name for s in target.deployment.on(target.host.name)}
    return Prepared(tuple(sorted(changed)), tuple(sorted(every - changed)))


def ship(site: Site, target: Target) -> dict[str, Any]:
    """Have the host ready for tasks and one-off containers of the release, and return its stack."""
    draft = _draft(target)
    found = objects.contents(site, target.files, draft)
    leader = site.leader()
    images = engine.gather([functools.partial(_image, site, s, target.host) for s in target.deployment.services])
    document = stackfile.complete(
        draft,
        images={s.name: image for s, image in zip(target.deployment.services, images, strict=True)},
        objects=objects.names(site, found),
        reveal=lambda text: site.ctx.fill(text).reveal(),
        serving=_serving(site),
        release_id=target.deployment.release_id,
        api=objects.version(str(site.api().api_version)),
    )
    if site.host.name == leader.name:
        objects.ensure(site, leader, found)
    objects.ensure_networks(site, leader, document)
    _write(site, target, document, found)
    return document


def _draft(target: Target) -> dict[str, Any]:
    file = target.files.get(naming.STACK_FILE)
    try:
        draft = json.loads(file.data if file else b"")
        return dict(draft) if draft[naming.OWN] else {}
    except (ValueError, KeyError, TypeError) as error:
        raise InternalError(f"the release has no {naming.STACK_FILE} for {target.host.name}") from error


def deliver(site: Site, target: Target) -> None:
    """Bring every image to every host that may run it: the swarm places tasks on all of them at the same time."""
    hosts = {host.name: host for host in target.deployment.hosts}
    pairs = [(s, hosts[name]) for s in target.deployment.services for name in s.hosts if name in hosts]
    engine.gather([functools.partial(_image, site, service, host) for service, host in pairs])


def _image(site: Site, service: Service, host: Host) -> str:
    """Return by what name the swarm runs a service's image: by digest where it has a registry, else by the image's id.

    Engines do not look for an image by id, or by a digest that they have, anywhere else.
    """
    image = service.image
    if image is None or not (image.name or image.digest):
        raise ProviderError(f"{service.name} has no image", hint="give it `image:` or `build:` in the compose file")
    there = host if host.name in service.hosts else next(h for h in site.hosts if h.name in service.hosts)
    identity = site.ctx.image(image, there)
    raw = site.ask("inspect an image", lambda api: api.inspect_image(identity), there)
    named = sorted(str(d) for d in raw.get("RepoDigests") or () if image.digest and str(d).endswith(f"@{image.digest}"))
    repository = image.name.rpartition(":")[0] if ":" in image.name.rpartition("/")[2] else image.name
    exact = [d for d in named if d.partition("@")[0] == repository]
    return (exact or named or [identity])[0]


def _serving(site: Site) -> dict[str, tuple[str, str]]:
    """Return service to (fingerprint, release) of what the swarm is told to run now."""
    raw = site.services(site.manager())
    pairs = (
        (label(s, naming.SERVICE), (label(s, naming.FINGERPRINT), label(s, naming.RELEASE))) for s in map(_spec, raw)
    )
    return {name: mark for name, mark in pairs if name}


def _spec(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service in the shape of a task: labels of its containers below ``Spec.ContainerSpec``."""
    return {"Spec": service["Spec"]["TaskTemplate"]}


def _write(site: Site, target: Target, document: Mapping[str, Any], found: Mapping[str, bytes]) -> None:
    """Write the release's folder, which only its owner can enter: the stack, contents, scripts for one-off containers."""
    folder = site.folder()
    make = ("sh", "-c", 'umask 022; mkdir -p "${1%/*}" && mkdir -p -m 700 "$1" && chmod 700 "$1"', "folder", folder)
    site.ctx.machine(site.host).run(Command(make, cwd="/", timeout=TIMEOUT))
    files = {path: File(data, 0o444) for path, data in found.items()}
    for service in target.deployment.on(target.host.name):
        text = script.oneoff(service.name, document, folder, site.stack)
        files[naming.run_script(service.name)] = File(text.encode(), 0o600, secret=True)
    # the release can be used once this file is there: it is written last
    machine = site.ctx.machine(site.host)
    machine.upload(files, folder)
    data = (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
    machine.upload({naming.STACK_FILE: File(data, 0o600, secret=True)}, folder)


def recall(site: Site, release_id: str) -> dict[str, Any]:
    """Return a release's stack, as this host has it; raises NotFound where it was never prepared."""
    path = f"{site.folder(release_id)}/{naming.STACK_FILE}"
    return stackfile.loaded(site.ctx.machine(site.host).read(path), shlex.quote(path))
