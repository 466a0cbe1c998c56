"""Show the installed plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagecraft.kernel import KINDS, Kernel

Style = Callable[[str, str], str]


def as_document(kernel: Kernel) -> list[dict[str, Any]]:
    """Return every installed plugin as JSON-like data, by name: what it provides, whence it comes, what is wrong with it."""
    kernel.load_all()
    provided: dict[str, list[str]] = {}
    faults = {name: broken.reason for name, broken in kernel.broken.items()}
    for kind in KINDS:
        found, wrong = kernel.survey(kind)
        for name, one in found.items():
            provided.setdefault(one.plugin, []).append(f"{kind}:{name}")
        for name, error in wrong.items():
            faults.setdefault(name, error.message)
    defaults = {name: kind for kind, name in kernel.catalog.defaults.items()}
    rows = []
    for name, plugin in sorted(kernel.catalog.plugins.items()):
        rows.append(
            {
                "name": name,
                "provides": sorted(provided.get(name, ())),
                "default": defaults.get(name, ""),
                "distribution": plugin.distribution,
                "version": plugin.version,
                "module": plugin.value,
                "fault": faults.get(name, ""),
            }
        )
    for name, owners in sorted(kernel.catalog.clashes.items()):
        fault = f"claimed by {' and '.join(owners)}"
        rows.append(
            {
                "name": name,
                "provides": [],
                "default": "",
                "distribution": "",
                "version": "",
                "module": "",
                "fault": fault,
            }
        )
    return sorted(rows, key=lambda row: row["name"])


def as_table(rows: list[dict[str, Any]], style: Style) -> str:
    """Return the plugins as a table."""
    from stagecraft.output.table import table

    if not rows:
        return "no plugin is installed; `pip install stagecraft[standard]` brings the built-in ones"
    cells = [
        [
            row["name"],
            ", ".join(row["provides"]) or "-",
            row["default"] and f"default {row['default']}",
            f"{row['distribution']} {row['version']}",
            f"[red]{row['fault']}[/]" if row["fault"] else "ok",
        ]
        for row in rows
    ]
    return table(("PLUGIN", "PROVIDES", "", "FROM", "STATE"), cells, color=style("", "1") != "")
