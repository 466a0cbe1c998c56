"""The closing summary of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import Release

from stagecraft.run.meter import in_words

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def show_release(session: Session, release: Release) -> None:
    """Say what serves now, how long it took, and how to go back."""
    from stagecraft.output.releases import as_row
    from stagecraft.run.history import History

    if session.json:
        session.emit(as_row(release, History((release,))))
        return
    seconds = session.reporter.elapsed
    sink = session.sink
    session.say(
        sink.style(f"{release.version} serves in {release.environment}", "1;32")
        + f" ({release.id}, in {seconds:.1f} s)"
    )
    for address in session.loaded.addresses():
        session.say(f"  {address}")
    if measured := in_words(release.downtime):
        session.say(f"  {measured}")
    if release.previous_id:
        # after a rollback, going back by one would go further back
        which = f" --to-release {release.previous_id}" if release.command == "rollback" else ""
        session.say(f"  to go back to {release.previous_id}: stagecraft rollback -e {release.environment}{which}")
