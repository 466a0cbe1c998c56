"""Show what each database has and what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagecraft.run.migrating import Inspected

Style = Callable[[str, str], str]


def rows(one: Inspected) -> list[dict[str, Any]]:
    """Return a database's migrations with ``applied``, ``partial`` or ``pending``, in order."""
    applied = {a.name: a for a in one.facts.applied}
    pending = {m.name for m in one.plan.pending}
    found = []
    for migration in one.migrations:
        record = applied.get(migration.name)
        if record is not None and record.complete:
            status = "applied"
        elif record is not None:
            status = "partial"
        else:
            status = "pending" if migration.name in pending else "later"
        found.append(
            {
                "name": migration.name,
                "status": status,
                "post": migration.post,
                "irreversible": migration.irreversible,
                "checksum": migration.checksum,
            }
        )
    return found


def as_document(one: Inspected) -> dict[str, Any]:
    """Return one database as JSON-like data."""
    return {
        "database": one.database.name,
        "engine": one.engine,
        "opaque": one.facts.opaque or one.plan.opaque,
        "migrations": rows(one),
        "problems": [
            {"message": p.message, "hint": p.hint, "where": str(p.where) if p.where else ""} for p in one.plan.problems
        ],
    }


def as_text(found: Sequence[Inspected], style: Style) -> str:
    """Return all databases as text."""
    lines: list[str] = []
    for one in found:
        lines.append(style(f"{one.database.name} ({one.engine})", "1"))
        if one.plan.opaque:
            lines.append("  its own tool knows what is pending; `stagecraft migrate` runs it")
        for row in rows(one):
            marks = "".join(f"  {key}" for key in ("post", "irreversible") if row[key])
            lines.append(f"  {row['status']:<9}{row['name']}{marks}")
        for problem in one.plan.problems:
            lines.append(f"  {style('drifted', '1;31')}: {problem}")
            if problem.hint:
                lines.append(f"    hint: {problem.hint}")
        count = len(one.plan.pending)
        lines.append(f"  {count} pending" if count else "  nothing is pending" if not one.plan.opaque else "")
    return "\n".join(line for line in lines if line)
