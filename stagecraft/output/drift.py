"""Show where hosts differ from the release."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from stagecraft.run.drift import Drift

Style = Callable[[str, str], str]


def as_document(drift: Drift) -> dict[str, Any]:
    """Return it as JSON-like data."""
    return {
        "environment": drift.environment,
        "release": drift.release.id,
        "version": drift.release.version,
        "drift": [attrs.asdict(d) for d in drift.differences],
        "busy": drift.busy,
        "failures": [f.document() for f in drift.failures],
    }


def as_text(drift: Drift, style: Style) -> str:
    """Return a line that sums it up and, where there is any difference, a table."""
    from stagecraft.output.table import table

    release = f"{drift.release.version} ({drift.release.id})"
    asked = len(drift.hosts) - len({f.host for f in drift.failures})
    lines = [style("warning:", "33") + f" {drift.busy}"] if drift.busy else []
    if not drift.differences:
        what = "1 host is" if asked == 1 else f"all {asked} hosts are" if not drift.failures else f"{asked} hosts are"
        return "\n".join([*lines, f"{drift.environment}: {what} as {release} wants"])
    hosts = len({d.host for d in drift.differences})
    count = len(drift.differences)
    summary = f"{count} difference{'s' * (count != 1)} from {release} on {hosts} of {asked} host{'s' * (asked != 1)}"
    rows = [[d.host, d.kind, d.what, _short(d.wanted), _short(d.found)] for d in drift.differences]
    headers = ("HOST", "DIFFERENCE", "OF", "WANTED", "FOUND")
    return "\n".join(
        [*lines, style(f"{drift.environment}: {summary}", "1"), table(headers, rows, color=style("", "1") != "")]
    )


def _short(text: str) -> str:
    head, found, digest = text.rpartition("sha256:")
    return f"{head}{digest[:12]}" if found else text or "none"
