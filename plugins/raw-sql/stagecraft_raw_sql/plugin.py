"""Entry point: the migration engine ``raw``."""

from __future__ import annotations

from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.migration import Engine

from stagecraft_raw_sql.engine import Raw


@hookimpl
def stagecraft_migration() -> type[Engine]:
    """Return the engine."""
    return Raw
