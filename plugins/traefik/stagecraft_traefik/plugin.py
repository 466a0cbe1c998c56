"""The entry point: tell the kernel of the proxy ``traefik``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_traefik.proxy import Traefik


@hookimpl
def stagecraft_proxy() -> type[Traefik]:
    """Return the proxy's class."""
    from stagecraft_traefik.proxy import Traefik

    return Traefik
