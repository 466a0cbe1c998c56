"""Pin an image that is used as it is: from its name to its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Image

from stagecraft.images import names
from stagecraft.images.deliveries import login_of
from stagecraft.images.engine import inspect, refused
from stagecraft.images.pull import pull

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context


def pin_image(ctx: Context, image: Image) -> Image:
    """Return the image with its digest, pulling it if this machine does not have it.

    The digest is the registry's where the image came from one, else the image's id on this machine. An image that is here is not
    asked for again, so that a deploy with nothing changed changes nothing; ``docker pull`` brings the newer one of a moving tag.

    Raises:
        ProviderError: It is not here and cannot be pulled.
    """
    if image.digest:
        return image
    found = inspect(ctx, image.name)
    if found is None:
        ctx.progress(f"pulling {image.name}")
        pull(ctx, image.name, names.tag(image.name), login=login_of(ctx))
        found = inspect(ctx, image.name)
        if found is None:
            raise refused(f"pull {image.name}", image.name, "it is still missing")
    return Image(image.name, names.digest_in(found.get("RepoDigests") or (), image.name) or str(found["Id"]))
