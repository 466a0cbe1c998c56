"""The entry point: tell the kernel of the state provider ``hosts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_hosts.state import Hosts


@hookimpl
def stagecraft_state() -> type[Hosts]:
    """Return the provider's class."""
    from stagecraft_hosts.state import Hosts

    return Hosts
