"""``stagecraft logs``: the services' log lines, merged over hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import SELECTION

if TYPE_CHECKING:
    from stagecraft.cli.session import Session
    from stagecraft.run.logs import Wanted


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print log lines until there are no more, or with ``--follow`` until Ctrl-C."""
    from stagecraft_hookspecs.errors import Interrupted, UserError

    from stagecraft.cli.durations import since_seconds
    from stagecraft.output.failures import note_failures
    from stagecraft.run import logs

    since = since_seconds(flags["since"])
    if flags["tail"] < -1:
        raise UserError(f"--tail {flags['tail']} is less than none", hint="a number of lines; -1 means all")
    with session.context() as ctx:
        session.close()  # lines are printed by themselves, not above a block that moves
        wanted = _wanted(flags, session, since)
        if not flags["follow"]:
            failures = logs.read(session.loaded, ctx, wanted)
            note_failures(session.sink, failures)
            return 10 if failures else 0
        from stagecraft.run.following import follow

        # Ctrl-C is how following ends
        with contextlib.suppress(Interrupted):
            follow(session.loaded, ctx, wanted)
    return 0


def _wanted(flags: Mapping[str, Any], session: Session, since: float) -> Wanted:
    from stagecraft.output.logs import Printer
    from stagecraft.run import logs

    chosen = logs.select(session.loaded, flags["host"], flags["service"], flags["role"])
    printer = Printer(session.sink, [h.name for h in chosen.hosts], chosen.services)
    return logs.Wanted(chosen, since, flags["tail"], printer.show, printer.note)


COMMANDS = (
    CommandLine(
        "logs",
        "Show the services' logs, merged over hosts",
        run,
        (
            *SELECTION,
            Flag("follow", "go on as lines come, until Ctrl-C", default=False, short="f"),
            Flag("since", "only lines of the last while, such as 10m", metavar="DURATION"),
            Flag("tail", "only the last lines of each instance; -1 means all", default=100, metavar="N"),
        ),
        exit_codes={
            0: "shown",
            1: "there is no such service, host or role",
            2: "the runtime failed, or no host could be asked",
            10: "some hosts could not be asked; the lines of the others are printed",
        },
        examples=("stagecraft logs --service api -f", "stagecraft logs --role app --since 10m"),
    ),
)
