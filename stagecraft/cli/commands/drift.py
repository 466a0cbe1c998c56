"""``stagecraft drift``: where hosts differ from the release that serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

from stagecraft.cli.flags import SELECTION

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print the differences; the exit code is 1 when there are any, 10 when a host could not be asked."""
    from stagecraft.output.drift import as_document, as_text
    from stagecraft.output.failures import note_failures
    from stagecraft.run.drift import find_drift

    with session.context() as ctx:
        drift = find_drift(session.loaded, ctx, flags["host"], flags["service"], flags["role"])
    session.close()
    if session.json:
        session.emit(as_document(drift))
    else:
        session.say(as_text(drift, session.sink.style))
    note_failures(session.sink, drift.failures)
    if drift.differences:
        hint = f"`stagecraft deploy -e {drift.environment}` makes the hosts as the project's files say"
        session.sink.note(session.sink.style("hint:", "36", session.sink.err) + f" {hint}")
    if drift.failures:
        return 10
    return 1 if drift.differences else 0


COMMANDS = (
    CommandLine(
        "drift",
        "Show where hosts differ from the release that serves",
        run,
        SELECTION,
        exit_codes={
            0: "nothing differs",
            1: "something differs, or nothing was deployed yet",
            2: "no host could be asked",
            10: "some hosts could not be asked; what differs on the others is printed",
        },
        examples=("stagecraft drift -e prod", "stagecraft drift -e prod --role app --json"),
    ),
)
