"""``stagecraft run``: a command in a one-off instance of the release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

from stagecraft.cli.commands.exec import EXIT_CODES, SERVICE, execute
from stagecraft.cli.flags import HOST, ROLE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Run the command behind ``--``, or a shell; the exit code is the command's own."""
    return execute(flags, session, oneoff=True)


COMMANDS = (
    CommandLine(
        "run",
        "Run a command in a one-off instance of the release, removed afterwards",
        run,
        (SERVICE, HOST, ROLE),
        exit_codes={**EXIT_CODES, 1: "no such service or host, or nothing was deployed yet"},
        rest=True,
        examples=("stagecraft run api -- ./manage migrate-data", "stagecraft run api -e prod"),
        description="It has the image and the environment of the service as the serving release has them, and serves nothing. "
        "The command stands behind `--`; without one, on a terminal, it is `sh`.",
    ),
)
