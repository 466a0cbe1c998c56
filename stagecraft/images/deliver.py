"""Have an image on a host: it is there, or the host pulls it, or it is sent from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, ToolMissing
from stagecraft_hookspecs.values import LOCAL, Host, Image

from stagecraft.images import names
from stagecraft.images.credentials import is_refusal
from stagecraft.images.engine import at, inspect
from stagecraft.images.find import find, from_registry, source
from stagecraft.images.pull import pull
from stagecraft.images.send import engine_of, refuse_platform, send

if TYPE_CHECKING:
    from stagecraft.context import RunContext


def deliver_image(ctx: RunContext, image: Image, host: Host = LOCAL) -> str:
    """Return the id that an image has on a host's engine, having brought it there if it was not; see ``Context.image``.

    Several operations may ask for the same image on the same host: one brings it, the others wait.
    """
    found = find(ctx, image, host)
    if found is not None:
        return str(found["Id"])
    with ctx.deliveries.turn(ctx, host.name, image.digest or image.name) as waited:
        found = find(ctx, image, host) if waited else None
        return str(found["Id"]) if found is not None else _bring(ctx, image, host)


def _bring(ctx: RunContext, image: Image, host: Host) -> str:
    here = None if host.name == LOCAL.name else _here(ctx, image)
    if here is not None and here["Id"] != image.digest and inspect(ctx, str(here["Id"]), host) is not None:
        return str(here["Id"])  # it was sent before, and is known here by its registry's digest
    if from_registry(image, here, ctx.project):
        try:
            return _pull(ctx, image, host)
        except ProviderError as error:
            if here is None or not _may_send(error, image):
                raise
            ctx.log(f"{error.message}; sending it from this machine", level="warning", host=host.name)
    if here is None:
        raise ProviderError(
            f"image {source(image)} is not on {_called(host)}, nor on this machine to send it from",
            hint="deploy again to build it, or roll back to a release whose images the host still has",
        )
    return send(ctx, ctx.deliveries, image.name or image.digest, here, host)


def _pull(ctx: RunContext, image: Image, host: Host) -> str:
    pull(ctx, image.name, image.digest or names.tag(image.name), host, ctx.deliveries.login)
    found = find(ctx, image, host)
    if found is None:
        raise ProviderError(f"the engine{at(host)} pulled {source(image)} and does not have it", hint="deploy again")
    refuse_platform(image.name, found, engine_of(ctx, ctx.deliveries, host), host)
    return str(found["Id"])


def _here(ctx: RunContext, image: Image) -> dict[str, Any] | None:
    """Return the image as this machine's engine describes it; a machine without an engine has no images."""
    try:
        return find(ctx, image)
    except ToolMissing:
        return None


def _may_send(error: ProviderError, image: Image) -> bool:
    """Tell whether sending helps where pulling failed: not with a full disk, nor where the registry asks who is there.

    The default registry answers so for every name that it does not know.
    """
    text = error.message.lower()
    return "no space left" not in text and not (names.registry(image.name) and is_refusal(text))


def _called(host: Host) -> str:
    return "this machine's engine" if host.name == LOCAL.name else host.name
