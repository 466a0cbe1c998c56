"""``stagecraft exec``: a command in a service's running instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import HOST, ROLE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

SERVICE = Flag("service", "the service", metavar="SERVICE", complete="service", positional=True)


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Run the command behind ``--``, or a shell; the exit code is the command's own."""
    return execute(flags, session, oneoff=False)


def execute(flags: Mapping[str, Any], session: Session, *, oneoff: bool) -> int:
    """Run a command in an instance that runs, or in a new one that is removed again."""
    import sys

    from stagecraft_hookspecs.errors import UserError
    from stagecraft_hookspecs.runtime import Execution

    from stagecraft.run import commands

    name = "run" if oneoff else "exec"
    service = str(flags["service"])
    if not service:
        raise UserError("which service?", hint=f"stagecraft {name} SERVICE -- COMMAND; see `stagecraft status`")
    here = sys.stdin.isatty()
    terminal = here and sys.stdout.isatty() and not session.json
    argv = session.rest or (("sh",) if terminal else ())
    if not argv:
        raise UserError("which command?", hint=f"stagecraft {name} {service} -- COMMAND; on a terminal it is a shell")
    with session.context() as ctx:
        find = commands.find_host if oneoff else commands.find_instance
        place = find(session.loaded, ctx, service, flags["host"], flags["role"])
        request = Execution(service, argv, oneoff, terminal, stdin=not here)
        command = commands.command_at(session.loaded, ctx, place, request)
        session.close()
        if not session.json:
            return commands.attach(ctx, place.host, command, terminal=terminal, stdin=terminal or not here)
        given = None if here else sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
        result = commands.capture(ctx, place.host, command, given)
    session.emit(
        {
            "host": place.host.name,
            "service": service,
            "exit_code": result.exit_code,
            "stdout": result.stdout,
            "stderr": result.stderr,
        }
    )
    return result.exit_code if result.exit_code >= 0 else 128 - result.exit_code


#: Of commands that run something of the user's.
EXIT_CODES = {
    0: "the command succeeded; any other exit code of its own is passed on as it is",
    1: "no such service or host, nothing was deployed yet, or it does not run",
    2: "the host or the runtime failed",
}

COMMANDS = (
    CommandLine(
        "exec",
        "Run a command in a service's running instance",
        run,
        (SERVICE, HOST, ROLE),
        exit_codes=EXIT_CODES,
        rest=True,
        examples=(
            "stagecraft exec api -- ./manage check",
            "stagecraft exec db -e prod -- pg_dump -U shop shop > dump.sql",
            "stagecraft exec web --host app-2",
        ),
        description="The command stands behind `--`; without one, on a terminal, it is `sh`.",
    ),
)
