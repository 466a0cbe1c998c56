"""Show what was removed from hosts, or would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from stagecraft.run.pruning import Pruned

Style = Callable[[str, str], str]


def as_document(pruned: Pruned, *, dry_run: bool) -> dict[str, Any]:
    """Return it as JSON-like data."""
    return {
        "environment": pruned.environment,
        "dry_run": dry_run,
        "kept": list(pruned.kept),
        "removed": [
            {"host": host, **attrs.asdict(one)} for host, found in sorted(pruned.leftovers.items()) for one in found
        ],
        "bytes": pruned.size,
        "failures": [f.document() for f in pruned.failures],
    }


def as_text(pruned: Pruned, style: Style, *, done: bool) -> str:
    """Return a table of what goes, and what it frees."""
    from stagecraft.output.table import table

    kept = f"kept: {', '.join(pruned.kept)}"
    if pruned.empty:
        return f"{pruned.environment}: nothing to remove; {kept}"
    rows = [
        [host, one.kind, one.name, amount(one.size) if one.size else ""]
        for host, found in sorted(pruned.leftovers.items())
        for one in found
    ]
    verb = "freed" if done else "would be freed"
    shown = table(("HOST", "KIND", "NAME", "SIZE"), rows, color=style("", "1") != "")
    return f"{shown}\n{amount(pruned.size)} {verb}; {kept}"


def amount(size: int) -> str:
    """Return bytes in the unit that people read."""
    value = float(size)
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"
