"""The entry point: tell the kernel of the proxy ``haproxy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_haproxy.proxy import Haproxy


@hookimpl
def stagecraft_proxy() -> type[Haproxy]:
    """Return the proxy's class."""
    from stagecraft_haproxy.proxy import Haproxy

    return Haproxy
