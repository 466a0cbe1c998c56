"""The entry point: tell the kernel of the runtime ``swarm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_swarm.runtime import Swarm


@hookimpl
def stagecraft_runtime() -> type[Swarm]:
    """Return the runtime's class."""
    from stagecraft_swarm.runtime import Swarm

    return Swarm
