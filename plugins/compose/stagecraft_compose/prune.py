"""Remove from a host what no kept release needs: stopped containers, finished one-off runs, image tags, releases' folders."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.runtime import Leftover
from stagecraft_hookspecs.values import Command

from stagecraft_compose import naming
from stagecraft_compose.memory import Memory

if TYPE_CHECKING:
    from stagecraft_compose.containers import Container
    from stagecraft_compose.site import Site

#: Print each release's folder behind the kilobytes that it takes. Argument: the home.
SIZES = """\
cd -- "$1/releases" 2>/dev/null || exit 0
for folder in *; do [ ! -d "$folder" ] || du -sk -- "$folder"; done
exit 0
"""


def prune(site: Site, keep: tuple[str, ...], *, dry_run: bool) -> tuple[Leftover, ...]:
    """Remove it, or only say what would be removed. What runs stays, and so does what it needs."""
    known, containers = site.look(keep)
    kept = {*keep, known.current} - {""}
    old = [c for c in containers if not c.running and not _needed(c, known, kept)]
    left = [c for c in containers if c not in old]
    found = [*_containers(site, old, dry_run), *_folders(site, kept | {c.release for c in left}, dry_run)]
    tags = {unit.image for release in kept for unit in (known.units(release) or {}).values()}
    return tuple(sorted([*found, *_images(site, tags, left, dry_run)], key=lambda one: (one.kind, one.name)))


def _needed(container: Container, known: Memory, kept: Iterable[str]) -> bool:
    """Tell whether a kept release would start a container again."""
    units = ((known.units(release) or {}).get(container.service) for release in kept)
    return any(unit is not None and unit.fingerprint == container.fingerprint for unit in units)


def _containers(site: Site, old: Iterable[Container], dry_run: bool) -> list[Leftover]:
    labels = [f"{naming.COMPOSE_PROJECT}={site.engine.project}"]
    listed = site.engine.call(
        "list containers", lambda: site.engine.api.containers(all=True, size=True, filters={"label": labels})
    )
    doomed = {c.id for c in old}
    found = []
    for entry in listed:
        oneoff = (entry.get("Labels") or {}).get(naming.COMPOSE_ONEOFF) == "True"
        if entry["Id"] in doomed or (oneoff and entry.get("State") in ("exited", "dead")):
            name = str((entry.get("Names") or [entry["Id"][:12]])[0]).lstrip("/")
            found.append(Leftover("container", name, int(entry.get("SizeRw") or 0)))
            if not dry_run:
                site.engine.remove(entry["Id"])
    return found


def _folders(site: Site, stay: Iterable[str], dry_run: bool) -> list[Leftover]:
    argv = ("sh", "-c", SIZES, "sizes", site.home)
    printed = site.machine.run(Command(argv, cwd="/", timeout=60)).stdout
    sizes = {name: int(size) << 10 for size, _, name in (line.partition("\t") for line in printed.splitlines())}
    gone = [name for name in sorted(sizes) if name not in set(stay)]
    for name in () if dry_run else gone:
        site.machine.remove(site.folder(name))
    return [Leftover("release", name, sizes[name]) for name in gone]


def _images(site: Site, keep: set[str], left: Iterable[Container], dry_run: bool) -> list[Leftover]:
    """Remove the environment's tags besides ``keep``, and with its last tag an image that nothing is made from."""
    api = site.engine.api
    prefix = f"{naming.slug(site.engine.project)}/"
    listed: list[Mapping[str, Any]] = site.engine.call(
        "list images", lambda: api.images(filters={"reference": f"{prefix}*"})
    )
    used = {c.image_id for c in left}
    found = []
    for image in listed:
        # a reference by digest keeps an image that was pulled by it as much as a tag does
        tags = list(image.get("RepoTags") or ())
        doomed = sorted(t for t in tags if t.startswith(prefix) and t not in keep)
        frees = set(doomed) == set(tags) and not image.get("RepoDigests") and image["Id"] not in used
        for number, tag in enumerate(doomed, 1):
            if not dry_run:
                try:
                    site.engine.unless_gone("remove an image", functools.partial(api.remove_image, tag))
                except ProviderError:
                    continue  # a container is still made from it: the engine refuses
            found.append(Leftover("image", tag, int(image.get("Size") or 0) if frees and number == len(doomed) else 0))
    return found
