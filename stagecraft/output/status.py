"""Show what runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Instance

    from stagecraft.run.operating import Status

Style = Callable[[str, str], str]


def as_document(status: Status) -> dict[str, Any]:
    """Return the status as JSON-like data."""
    unfinished = status.unfinished
    return {
        "environment": status.environment,
        "release": status.release.id if status.release else None,
        "version": status.release.version if status.release else None,
        "healthy": status.healthy,
        "services": [
            {
                "service": service,
                "host": host,
                "expected": count,
                "well": status.well(service, host),
                "releases": _releases(_active(status, service, host)),
            }
            for (service, host), count in sorted(status.expected.items())
        ],
        "instances": [attrs.asdict(i) for i in status.instances],
        "routes": [
            {"host": host, "route": route, "targets": list(targets)}
            for host, seen in sorted(status.hosts.items())
            for route, targets in sorted((seen.routes or {}).items())
        ],
        "mixed": [
            {"service": service, "host": host, "release": release}
            for service, where in sorted(status.mixed.items())
            for host, release in where
        ],
        "unfinished": {"release": unfinished.id, "version": unfinished.version, "next": status.next_step}
        if unfinished
        else None,
        "lock": attrs.asdict(status.holder) if status.holder else None,
        "failures": [f.document() for f in status.failures],
    }


def as_text(status: Status, style: Style) -> str:
    """Return the status as tables: a row per service and host, then per route; before them what is out of order."""
    from stagecraft.output.table import table

    color = style("", "1") != ""
    release = status.release
    lines = [
        style(f"{status.environment}: {release.version if release else '?'} ({release.id if release else '?'})", "1")
    ]
    lines += [style("warning:", "33") + f" {text}" for text in _warnings(status)]
    rows = [_row(status, service, host, count) for (service, host), count in sorted(status.expected.items())]
    headers = ("SERVICE", "HOST", "WELL", "HEALTH", "RELEASE", "RESTARTS", "SINCE (UTC)", "PORTS", "IMAGE")
    lines.append(table(*_without_empty(headers, rows), color=color))
    routes = [
        [route, host, ", ".join(targets) or "[yellow]none: maintenance page[/]"]
        for host, seen in sorted(status.hosts.items())
        for route, targets in sorted((seen.routes or {}).items())
    ]
    if routes:
        lines += ["", table(("ROUTE", "HOST", "TARGETS"), routes, color=color)]
    kept = sum(not i.active for i in status.instances)
    if kept:
        lines.append(f"{kept} former instance{'s' if kept != 1 else ''} kept ready for a rollback")
    return "\n".join(lines)


def _warnings(status: Status) -> list[str]:
    found = [
        f"mixed versions: {service} is " + ", ".join(f"of {release} on {host}" for host, release in where)
        for service, where in sorted(status.mixed.items())
    ]
    if status.holder:
        holder = status.holder
        found.append(f"{holder.who} changes it right now ({holder.command}, since {holder.since})")
    elif status.unfinished:
        found.append(f"{status.unfinished.id} did not end: {status.next_step}")
    return found


def _row(status: Status, service: str, host: str, count: int) -> list[str]:
    if host not in status.hosts:
        return [service, host, f"[red]?/{count}[/]", "[red]unknown[/]", "", "", "", "", ""]
    mine = _active(status, service, host)
    well = status.well(service, host)
    health = ", ".join(sorted({i.health if i.health != "none" else i.state for i in mine})) or "missing"
    color = "green" if well >= count else "red"
    return [
        service,
        host,
        f"[{color}]{well}/{count}[/]",
        f"[{color}]{health}[/]",
        ", ".join(_releases(mine)),
        str(sum(i.restarts for i in mine)),
        min((i.since for i in mine if i.since), default="")[:19],
        ", ".join(sorted({p for i in mine for p in i.ports})),
        ", ".join(sorted({_short(i.image) for i in mine if i.image})),
    ]


def _active(status: Status, service: str, host: str) -> list[Instance]:
    return [i for i in status.instances if (i.service, i.host) == (service, host) and i.active]


def _releases(instances: Sequence[Instance]) -> list[str]:
    return sorted({i.release_id for i in instances if i.release_id})


def _short(image: str) -> str:
    """Return an image with its digest cut to what people compare."""
    name, found, digest = image.rpartition("sha256:")
    return f"{name}{digest[:12]}" if found else image


def _without_empty(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave out columns, besides the first four, that say nothing."""
    stay = [n for n in range(len(headers)) if n < 4 or any(row[n] for row in rows)]
    return [headers[n] for n in stay], [[row[n] for n in stay] for row in rows]
