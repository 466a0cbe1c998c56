"""``stagecraft status``: health per service and host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

from stagecraft.cli.flags import SELECTION

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print what runs; the exit code is 2 when a service that should run does not, 10 when a host could not be asked."""
    from stagecraft.output.failures import note_failures
    from stagecraft.output.status import as_document, as_text
    from stagecraft.run.operating import observe

    with session.context() as ctx:
        status = observe(session.loaded, ctx, flags["host"], flags["service"], flags["role"])
    session.close()
    if session.json:
        session.emit(as_document(status))
    else:
        session.say(as_text(status, session.sink.style))
    note_failures(session.sink, status.failures)
    if status.failures:
        return 10
    return 0 if status.healthy else 2


COMMANDS = (
    CommandLine(
        "status",
        "Show what runs, and how it is, per service and host",
        run,
        SELECTION,
        exit_codes={
            0: "all that should run does",
            1: "nothing was deployed yet",
            2: "a service does not run or is unhealthy, or no host could be asked",
            10: "some hosts could not be asked; what the others told is printed",
        },
        examples=("stagecraft status -e prod", "stagecraft status -e prod --role app --json"),
    ),
)
