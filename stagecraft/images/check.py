"""Check that a host's engine can use an image: some take an incomplete one without complaint."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.images.chains import make_of
from stagecraft.images.engine import api, call, inspect

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.saved import Saved

_CONFLICT = 409  # HTTP: the name is taken


def usable(ctx: Context, name: str, image: Saved, host: Host) -> str:
    """Return the id under which a host can make containers of an image; empty when it cannot, and the image was removed.

    Engines with a graph driver name an image by its configuration, those with containerd's store by its manifest.
    """
    found = inspect(ctx, image.config.digest, host) or inspect(ctx, image.manifest.digest, host)
    if found is None:
        return ""
    identity = str(found["Id"])
    if make_of(found).layers == image.diff_ids and _creates(ctx, name, identity, host):
        return identity
    with contextlib.suppress(ProviderError):
        call(f"remove {name}", name, lambda: api(ctx, host).remove_image(identity, force=True), host)
    return ""


def _creates(ctx: Context, name: str, identity: str, host: Host) -> bool:
    """Make a container that is never started, and remove it."""
    from docker.errors import APIError, NotFound

    called = f"stagecraft-check-{identity.partition(':')[2][:24]}"

    def create(engine: Any) -> None:
        engine.create_container(identity, command=["true"], name=called, labels={"stagecraft.check": "image"})

    def remove(engine: Any) -> None:
        with contextlib.suppress(NotFound):
            engine.remove_container(called, v=True, force=True)

    def attempt() -> bool:
        engine = api(ctx, host)
        try:
            create(engine)
        except APIError as error:
            if error.status_code != _CONFLICT:
                return False
            remove(engine)  # a client was killed between the two
            create(engine)
        remove(engine)
        return True

    return call(f"check {name}", name, attempt, host)
