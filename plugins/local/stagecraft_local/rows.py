"""A release as a JSON object and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stagecraft_hookspecs.values import Release


def to_row(release: Release) -> dict[str, Any]:
    """Return a release as it stands in the state file."""
    return {
        "id": release.id,
        "serial": release.serial,
        "environment": release.environment,
        "version": release.version,
        "commit_sha": release.commit,
        "timestamp": release.timestamp,
        "who": release.who,
        "command": release.command,
        "previous_id": release.previous_id,
        "source_id": release.source_id,
        "phases": {phase.value: status.value for phase, status in release.phases.items()},
        "operations": [
            {"id": o.id, "phase": o.phase.value, "status": o.status.value, "seconds": o.seconds, "error": o.error}
            for o in release.operations
        ],
        "error": release.error,
        "undone": release.undone,
        "downtime": dict(release.downtime),
    }


def from_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[Release]:
    """Yield the release of each row. Keys it does not know are left aside. Raises KeyError, TypeError or ValueError."""
    from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status

    # a dict is several times as fast as the enum's own lookup, and a history has thousands of these
    phases, statuses = {p.value: p for p in Phase}, {s.value: s for s in Status}
    for row in rows:
        yield Release(
            id=row["id"],
            serial=row["serial"],
            environment=row["environment"],
            version=row["version"],
            commit=row.get("commit_sha", ""),
            who=row.get("who", ""),
            timestamp=row.get("timestamp", ""),
            previous_id=row.get("previous_id", ""),
            command=row.get("command", "deploy"),
            source_id=row.get("source_id", ""),
            phases={phases[p]: statuses[s] for p, s in row.get("phases", {}).items()},
            operations=tuple(
                OperationRecord(o["id"], phases[o["phase"]], statuses[o["status"]], o["seconds"], o["error"])
                for o in row.get("operations", ())
            ),
            error=row.get("error", ""),
            undone=row.get("undone", False),
            downtime=row.get("downtime", {}),
        )
