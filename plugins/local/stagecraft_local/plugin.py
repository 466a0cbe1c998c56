"""The entry point: tell the kernel of the state provider ``local``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_local.state import Local


@hookimpl
def stagecraft_state() -> type[Local]:
    """Return the provider's class."""
    from stagecraft_local.state import Local

    return Local
