"""``stagecraft logs``: the services' log lines, merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import HOST, SERVICE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print log lines until there are no more, or with ``--follow`` until Ctrl-C."""
    from stagecraft_hookspecs.errors import Interrupted, UserError

    from stagecraft.cli.durations import since_seconds
    from stagecraft.run.operating import read_logs

    since = since_seconds(flags["since"])
    if flags["tail"] < -1:
        raise UserError(f"--tail {flags['tail']} is less than none", hint="a number of lines; -1 means all")

    def show(line: str) -> None:
        if session.json:
            service, _, text = line.partition(" | ")
            session.sink.emit({"service": service.strip(), "line": text}, line=True)
        else:
            session.say(line)

    with session.context() as ctx:
        try:
            read_logs(session.loaded, ctx, show, flags["host"], flags["service"], flags["follow"], since, flags["tail"])
        except Interrupted:
            # Ctrl-C is how following ends
            if not flags["follow"]:
                raise
    return 0


COMMANDS = (
    CommandLine(
        "logs",
        "Show the services' logs, merged",
        run,
        (
            SERVICE,
            HOST,
            Flag("follow", "go on as lines come, until Ctrl-C", default=False, short="f"),
            Flag("since", "only lines of the last while, such as 10m", metavar="DURATION"),
            Flag("tail", "only the last lines of each service; -1 means all", default=100, metavar="N"),
        ),
        exit_codes={0: "shown", 1: "there is no such service", 2: "the runtime failed"},
        examples=("stagecraft logs --service api -f", "stagecraft logs --since 10m"),
    ),
)
