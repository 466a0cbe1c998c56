"""``stagecraft ssh``: a shell, or a command, on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import ROLE

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Open a shell on a host, or run there what stands behind ``--``; the exit code is its own."""
    import os
    import shlex
    import sys

    from stagecraft_hookspecs.errors import UserError

    from stagecraft.context import is_remote
    from stagecraft.machine.attached import run_attached
    from stagecraft.run.selection import choose

    named = [flags["host"]] if flags["host"] else []
    chosen = choose(session.loaded, named, (), () if named else flags["role"]).hosts
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if session.json and not session.rest:
        raise UserError("a shell has no JSON", hint="give a command behind `--`, or leave out --json")
    host = chosen[0] if len(chosen) == 1 else _ask(session, chosen, terminal)
    if session.json:
        return _captured(session, host)
    session.close()
    root = session.config.root
    if not is_remote(host):
        return run_attached(session.rest or (os.environ.get("SHELL", "/bin/sh"),), cwd=root)
    from stagecraft.machine.openssh import ssh_argv

    return run_attached(ssh_argv(host, root, terminal=terminal, remote=shlex.join(session.rest)), cwd=root)


def _ask(session: Session, hosts: Sequence[Host], terminal: bool) -> Host:
    from stagecraft_hookspecs.errors import NotFound, UserError

    names = [h.name for h in hosts]
    if not terminal or session.json:
        raise UserError(f"which host? there are {', '.join(names)}", hint=f"stagecraft ssh {names[0]}")
    for number, name in enumerate(names, 1):
        session.sink.note(f"{number}  {name}")
    session.sink.err.write("host: ")
    session.sink.err.flush()
    try:
        answer = input().strip()
    except EOFError:
        answer = ""
    found = [h for n, h in enumerate(hosts, 1) if answer in (str(n), h.name)]
    if not found:
        raise NotFound("host", answer, names)
    return found[0]


def _captured(session: Session, host: Host) -> int:
    from stagecraft_hookspecs.values import Command

    with session.context() as ctx:
        result = ctx.machine(host).run(Command(session.rest), check=False)
    session.emit({"host": host.name, "exit_code": result.exit_code, "stdout": result.stdout, "stderr": result.stderr})
    return result.exit_code if result.exit_code >= 0 else 128 - result.exit_code


COMMANDS = (
    CommandLine(
        "ssh",
        "Open a shell on a host, or run a command there",
        run,
        (Flag("host", "the host", metavar="HOST", complete="host", positional=True), ROLE),
        exit_codes={
            0: "the shell or the command succeeded; any other exit code of its own is passed on as it is",
            1: "no such host or role, or several and none is named",
            2: "there is no ssh here, or it refuses its configuration",
        },
        rest=True,
        examples=("stagecraft ssh app-1", "stagecraft ssh app-1 -e prod -- docker ps", "stagecraft ssh --role db"),
        description="It is your own OpenSSH client, with your own configuration, keys and agent. The words behind `--` reach the "
        "command as they are; for a line that a shell is to read, give `sh -c 'LINE'`.",
    ),
)
