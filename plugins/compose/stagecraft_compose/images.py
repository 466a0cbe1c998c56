"""Have services' images on a host, kept by a tag of the environment's own."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError

from stagecraft_compose import naming
from stagecraft_compose.containers import Container
from stagecraft_compose.engine import Engine
from stagecraft_compose.parallel import gather

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Service
    from stagecraft_hookspecs.values import Host, Image

    from stagecraft_compose.memory import Unit


def known(units: Mapping[str, Unit], containers: Iterable[Container]) -> dict[str, str]:
    """Return tag to id of the images that a release had here and a container still holds on to: they are there."""
    held = {c.image_id for c in containers}
    return {u.image: u.image_id for u in units.values() if u.image and u.image_id in held}


def ensure(
    ctx: Context, host: Host, engine: Engine, services: Iterable[Service], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the id of each service's image on the host, got where it is missing, and tag it.

    Args:
        known: Tag to id of images that are known to be there.

    Raises:
        ProviderError: One is not there and cannot be had.
    """
    wanted: dict[Image, list[tuple[str, str]]] = {}
    found: dict[str, str] = {}
    for service in services:
        image = service.image
        if image is None or not (image.name or image.digest):
            raise ProviderError(f"{service.name} has no image", hint="give it `image:` or `build:` in the compose file")
        tag = naming.image_tag(engine.project, service.name, image.digest) if image.digest else ""
        if tag in known:
            found[service.name] = known[tag]
        else:
            wanted.setdefault(image, []).append((service.name, tag))
    calls = [functools.partial(_ensure, ctx, host, engine, image, names) for image, names in wanted.items()]
    for part in gather(calls):
        found |= part
    return found


def _ensure(ctx: Context, host: Host, engine: Engine, image: Image, names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Have one image, under the tags of every service that runs it."""
    tagged = {name: engine.image(tag) if tag else None for name, tag in names}
    there = next((str(raw["Id"]) for raw in tagged.values() if raw), "")
    identity = there or ctx.image(image, host)
    for name, tag in names:
        if tag and not tagged[name]:
            repository, _, version = tag.rpartition(":")
            engine.call("tag an image", functools.partial(engine.api.tag, identity, repository, version, force=True))
    return dict.fromkeys(tagged, identity)


def declared_volumes(engine: Engine, identity: str) -> frozenset[str]:
    """Return the paths that an image declares as volumes."""
    return frozenset(((engine.image(identity) or {}).get("Config") or {}).get("Volumes") or ())


def prune(engine: Engine, keep: Iterable[str]) -> tuple[str, ...]:
    """Remove the environment's tags besides ``keep``, and with its last tag the image. Nobody else's tags are touched.

    An image that a container still uses stays: the engine refuses, and the next prune tries again.
    """
    kept = set(keep)
    prefix = f"{naming.slug(engine.project)}/"
    listed = engine.call("list images", lambda: engine.api.images(filters={"reference": f"{prefix}*"}))
    tags = {tag for image in listed for tag in image.get("RepoTags") or () if tag.startswith(prefix)}
    removed = []
    for tag in sorted(tags - kept):
        try:
            engine.unless_gone("remove an image", functools.partial(engine.api.remove_image, tag))
        except ProviderError:
            continue
        removed.append(tag)
    return tuple(removed)
