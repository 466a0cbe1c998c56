"""The closing summary of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Release

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def show_release(session: Session, release: Release) -> None:
    """Say what serves now, how long it took, and how to go back."""
    from stagecraft.output.releases import as_row
    from stagecraft.run.history import History

    if session.json:
        session.emit(as_row(release, History((release,))))
        return
    seconds = sum(o.seconds for o in release.operations)
    sink = session.sink
    session.say(
        sink.style(f"{release.version} serves in {release.environment}", "1;32")
        + f" ({release.id}, {seconds:.1f} s of work)"
    )
    for address in session.loaded.addresses():
        session.say(f"  {address}")
    if measured := downtime(release):
        session.say(f"  {measured}")
    if release.previous_id:
        session.say(f"  to go back to {release.previous_id}: stagecraft rollback -e {release.environment}")


def downtime(release: Release) -> str:
    """Return what the downtime meter saw, on one line; empty where nothing was measured."""
    seen = release.downtime
    if not seen:
        return ""
    failures = seen["failures"]
    lost = f"{failures} failed, longest gap {seen['longest_gap_seconds']:.1f} s" if failures else "none failed"
    return f"{seen['requests']} probes of its routes: {lost}; 95% answered within {seen['p95_seconds'] * 1000:.0f} ms"
