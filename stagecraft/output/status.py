"""Show what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from stagecraft.run.operating import Status

Style = Callable[[str, str], str]


def as_document(status: Status) -> dict[str, Any]:
    """Return the status as JSON-like data."""
    return {
        "environment": status.environment,
        "release": status.release.id if status.release else None,
        "version": status.release.version if status.release else None,
        "healthy": status.healthy,
        "services": [
            {"service": service, "host": host, "expected": count, "well": status.well(service, host)}
            for (service, host), count in sorted(status.expected.items())
        ],
        "instances": [attrs.asdict(i) for i in status.instances],
    }


def as_text(status: Status, style: Style) -> str:
    """Return the status as a table: a row per service and host, its instances' states, and where it is published."""
    from stagecraft.output.table import table

    rows = []
    for (service, host), count in sorted(status.expected.items()):
        mine = [i for i in status.instances if (i.service, i.host) == (service, host) and i.active]
        well = status.well(service, host)
        health = ", ".join(sorted({i.health if i.health != "none" else i.state for i in mine})) or "missing"
        color = "green" if well >= count else "red"
        ports = ", ".join(sorted({p for i in mine for p in i.ports}))
        restarts = sum(i.restarts for i in mine)
        since = min((i.since for i in mine if i.since), default="")[:19]
        rows.append(
            [service, host, f"[{color}]{well}/{count}[/]", f"[{color}]{health}[/]", str(restarts), since, ports]
        )
    release = status.release
    head = f"{status.environment}: {release.version if release else '?'} ({release.id if release else '?'})"
    headers = ("SERVICE", "HOST", "WELL", "HEALTH", "RESTARTS", "SINCE (UTC)", "PORTS")
    lines = [style(head, "1"), table(headers, rows, color=style("", "1") != "")]
    kept = sum(not i.active for i in status.instances)
    if kept:
        lines.append(f"{kept} former instance{'s' if kept != 1 else ''} kept ready for a rollback")
    return "\n".join(lines)
