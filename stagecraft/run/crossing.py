"""Refuse a rollback that would cross a migration which cannot be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import Refused

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Release

    from stagecraft.run.bundle import Bundle


def refuse_crossing(serving: Bundle | None, target: Bundle, source: Release) -> None:
    """Raise Refused, naming the migrations, when what serves has irreversible ones that the target never had."""
    if serving is None:
        return
    crossed = []
    for database, migrations in sorted(serving.migrations.items()):
        had = {m["name"] for m in target.migrations.get(database, ())}
        crossed += [f"{database}/{m['name']}" for m in migrations if m["irreversible"] and m["name"] not in had]
    if crossed:
        raise Refused(
            f"rolling back to {source.id} would cross irreversible migrations: {', '.join(crossed)}",
            hint="the old code may not work with the new schema; if you know that it does, add --across-irreversible",
        )
