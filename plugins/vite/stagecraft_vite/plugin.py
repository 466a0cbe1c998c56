"""The entry point: tell the kernel of the frontend ``vite``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_vite.frontend import Vite


@hookimpl
def stagecraft_frontend() -> type[Vite]:
    """Return the frontend's class."""
    from stagecraft_vite.frontend import Vite

    return Vite
