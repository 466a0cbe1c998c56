"""The entry point: tell the kernel of the proxy ``caddy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_caddy.proxy import Caddy


@hookimpl
def stagecraft_proxy() -> type[Caddy]:
    """Return the proxy's class."""
    from stagecraft_caddy.proxy import Caddy

    return Caddy
