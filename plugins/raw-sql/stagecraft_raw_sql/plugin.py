"""The entry point: tell the kernel of the migration engine ``raw``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_raw_sql.engine import Raw


@hookimpl
def stagecraft_migration() -> type[Raw]:
    """Return the engine's class."""
    from stagecraft_raw_sql.engine import Raw

    return Raw
