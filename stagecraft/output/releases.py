"""Show releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.values import Phase, Release, Status

from stagecraft.run.history import History

if TYPE_CHECKING:
    from stagecraft.run.bundle import Bundle

Style = Callable[[str, str], str]


def outcome(release: Release, history: History) -> str:
    """Say in a word what became of a release."""
    serving = history.serving
    if serving and release.id == serving.id:
        return "serving"
    if release.complete:
        return "complete"
    if release.undone:
        return "undone"
    return "failed" if release.error else "interrupted"


def as_row(release: Release, history: History) -> dict[str, Any]:
    """Return what the list tells of a release, as JSON-like data."""
    return {
        "id": release.id,
        "serial": release.serial,
        "environment": release.environment,
        "command": release.command,
        "version": release.version,
        "commit": release.commit,
        "who": release.who,
        "timestamp": release.timestamp,
        "outcome": outcome(release, history),
        "previous_id": release.previous_id,
        "source_id": release.source_id,
        "phases": {p.value: release.phases.get(p, Status.PENDING).value for p in Phase},
        "error": release.error,
    }


_COLORS = {"serving": "bold green", "complete": "", "undone": "yellow", "failed": "red", "interrupted": "red"}


def as_table(releases: Sequence[Release], history: History, style: Style) -> str:
    """Return the history as a table, newest first."""
    from stagecraft.output.table import table

    rows = []
    for release in releases:
        word = outcome(release, history)
        shown = f"[{_COLORS[word]}]{word}[/]" if _COLORS[word] else word
        what = release.command + (f" to {release.source_id}" if release.source_id else "")
        rows.append(
            [release.id, str(release.serial), release.version, shown, what, release.timestamp[:19], release.who]
        )
    headers = ("RELEASE", "SERIAL", "VERSION", "OUTCOME", "COMMAND", "BEGAN (UTC)", "WHO")
    return table(headers, rows, color=style("", "1") != "")


def as_document(release: Release, history: History, bundle: Bundle | None) -> dict[str, Any]:
    """Return one release in full, as JSON-like data."""
    services = bundle.deployment.services if bundle else ()
    return {
        **as_row(release, history),
        "operations": [
            {"id": o.id, "phase": o.phase.value, "status": o.status.value, "seconds": o.seconds, "error": o.error}
            for o in release.operations
        ],
        "images": {s.name: {"name": s.image.name, "digest": s.image.digest} for s in services if s.image},
        "migrations": {name: [m["name"] for m in found] for name, found in bundle.migrations.items()} if bundle else {},
        "plugins": dict(bundle.plugins) if bundle else {},
        "fingerprints": dict(bundle.fingerprints) if bundle else {},
        "downtime": dict(release.downtime),
    }


def as_text(release: Release, history: History, bundle: Bundle | None, style: Style) -> str:
    """Return one release in full, as text."""
    row = as_row(release, history)
    lines = [style(f"{release.id}  {row['outcome']}", "1")]
    for key in (
        "serial",
        "environment",
        "command",
        "version",
        "commit",
        "who",
        "timestamp",
        "previous_id",
        "source_id",
    ):
        if row[key]:
            lines.append(f"  {key:<12}{row[key]}")
    if release.error:
        lines.append(f"  {'error':<12}{release.error}")
    for phase in Phase:
        status = release.phases.get(phase, Status.PENDING)
        lines += ["", f"{style(phase.value, '1;36')}  {status.value}"]
        for record in release.operations:
            if record.phase is phase:
                seconds = f"{record.seconds:.1f} s"
                note = f"  {record.error}" if record.error else ""
                lines.append(f"  {record.id:<24}{record.status.value:<11}{seconds:>8}{note}")
    if bundle:
        lines += ["", style("images", "1;36")]
        lines += [f"  {s.name:<16}{s.image.name}  {s.image.digest}" for s in bundle.deployment.services if s.image]
        for name, migrations in sorted(bundle.migrations.items()):
            lines += ["", style(f"migrations of {name}", "1;36"), *(f"  {m['name']}" for m in migrations)]
    return "\n".join(lines)
