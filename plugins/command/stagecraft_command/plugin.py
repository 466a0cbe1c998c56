"""The entry point: tell the kernel of the migration engine ``command``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_command.engine import CommandEngine


@hookimpl
def stagecraft_migration() -> type[CommandEngine]:
    """Return the engine's class."""
    from stagecraft_command.engine import CommandEngine

    return CommandEngine
