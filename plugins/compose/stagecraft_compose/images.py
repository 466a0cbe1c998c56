"""Have a service's image on a host: pulled by digest where it is missing, and kept by a tag of the environment's
own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError

from stagecraft_compose import naming
from stagecraft_compose.engine import Engine, call, gone_is_none

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Service
    from stagecraft_hookspecs.values import Image


def ensure(ctx: Context, engine: Engine, service: Service) -> dict[str, Any]:
    """Return the image that a service is to run, pulling it if it is not here, and tag it.

    Raises:
        ProviderError: It is not here and cannot be pulled.
    """
    image = service.image
    if image is None or not (image.name or image.digest):
        raise ProviderError(f"{service.name} has no image", hint="give it `image:` or `build:` in the compose file")
    tag = naming.image_tag(engine.project, service.name, image.digest) if image.digest else ""
    tagged = engine.image(tag) if tag else None
    if tagged:
        return tagged
    found = _find(engine, image) or _pull(ctx, engine, service.name, image)
    if tag:
        repository, _, version = tag.rpartition(":")
        call("tag an image", lambda: engine.api.tag(found["Id"], repository, version, force=True))
    return found


def source(image: Image) -> str:
    """Return how to ask a registry for an image: by digest where it is known, without the tag."""
    return f"{_repository(image.name)}@{image.digest}" if image.digest else image.name


def prune(engine: Engine, keep: Iterable[str]) -> tuple[str, ...]:
    """Remove the environment's tags besides ``keep``, and with its last tag the image. Nobody else's tags are touched.

    An image that a container still uses stays: the engine refuses, and the next prune tries again.
    """
    kept = set(keep)
    prefix = f"{naming.slug(engine.project)}/"
    listed = call("list images", lambda: engine.api.images(filters={"reference": f"{prefix}*"}))
    tags = {tag for image in listed for tag in image.get("RepoTags") or () if tag.startswith(prefix)}
    removed = []
    for tag in sorted(tags - kept):
        try:
            gone_is_none("remove an image", functools.partial(engine.api.remove_image, tag))
        except ProviderError:
            continue
        removed.append(tag)
    return tuple(removed)


def _find(engine: Engine, image: Image) -> dict[str, Any] | None:
    """Return the image if it is here: under its digest as a registry knows it, as an id of this engine, or by name."""
    if not image.digest:
        return engine.image(image.name)
    return engine.image(source(image)) or engine.image(image.digest)


def _pull(ctx: Context, engine: Engine, service: str, image: Image) -> dict[str, Any]:
    wanted = source(image)
    ctx.progress(f"pulling {wanted}", service=service, host=engine.host)
    repository, _, digest = wanted.partition("@")
    tag = digest or _tag(image.name)
    problem = ""
    try:
        events = call("pull it", lambda: engine.api.pull(_repository(repository), tag=tag, stream=True, decode=True))
        for event in call("pull it", lambda: list(events)):
            problem = str(event.get("error") or problem)
    except ProviderError as error:
        problem = error.message
    found = engine.image(wanted)
    if problem or found is None:
        raise ProviderError(
            f"image {wanted} for {service} is not on {engine.host} and cannot be pulled: {problem or 'still missing'}",
            hint="deploy again to build and push it, or log in to its registry: docker login",
        )
    return found


def _repository(name: str) -> str:
    """Return an image's name without tag and digest."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _tag(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[2] or "latest"
