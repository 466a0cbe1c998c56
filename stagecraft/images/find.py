"""Find an image on a host's engine under whichever id it has there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.values import LOCAL, Host, Image

from stagecraft.images import names
from stagecraft.images.engine import inspect

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context


def find(ctx: Context, image: Image, host: Host = LOCAL) -> dict[str, Any] | None:
    """Return an image as the engine describes it: under the digest that its registry knows, under its id there, or by name."""
    if not image.digest:
        return inspect(ctx, image.name, host)
    if is_own(image, ctx.project):
        return inspect(ctx, image.digest, host)
    return inspect(ctx, source(image), host) or inspect(ctx, image.digest, host)


def is_own(image: Image, project: str) -> bool:
    """Tell by its name whether an image was built for this project without a registry to push it to; pure."""
    return not names.registry(image.name) and image.name.startswith(f"{project}/")


def source(image: Image) -> str:
    """Return how an image is asked for: by digest where it is known, without the tag; pure."""
    if not image.digest:
        return image.name
    return f"{names.repository(image.name)}@{image.digest}" if image.name else image.digest


def from_registry(image: Image, here: Mapping[str, Any] | None, project: str) -> bool:
    """Tell whether a host may get an image from a registry; pure.

    What this machine built and never pushed must not be asked for anywhere: it would cost time and tell strangers its name.

    Args:
        here: The image as this machine's engine describes it, None when it does not have it.
    """
    if not image.name or is_own(image, project):
        return False
    if here is None or not image.digest:
        return True
    return names.is_known_as(here.get("RepoDigests") or (), image.name, image.digest)
