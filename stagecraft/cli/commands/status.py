"""``stagecraft status``: health per service and host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

SERVICE = Flag("service", "only these services", default=(), metavar="A,B", complete="service")
HOST = Flag("host", "only these hosts", default=(), metavar="A,B", complete="host")


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print what runs; the exit code is 2 when a service that should run does not."""
    from stagecraft.output.status import as_document, as_text
    from stagecraft.run.operating import observe

    with session.context() as ctx:
        status = observe(session.loaded, ctx, flags["host"], flags["service"])
    if session.json:
        session.emit(as_document(status))
    else:
        session.say(as_text(status, session.sink.style))
    return 0 if status.healthy else 2


COMMANDS = (
    CommandLine(
        "status",
        "Show what runs, and how it is, per service and host",
        run,
        (SERVICE, HOST),
        exit_codes={
            0: "all that should run does",
            1: "nothing was deployed yet",
            2: "a service does not run or is unhealthy",
        },
    ),
)
