"""The entry point: tell the kernel of the runtime ``compose``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_compose.runtime import Compose


@hookimpl
def stagecraft_runtime() -> type[Compose]:
    """Return the runtime's class."""
    from stagecraft_compose.runtime import Compose

    return Compose
