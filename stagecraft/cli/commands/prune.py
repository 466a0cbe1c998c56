"""``stagecraft prune``: remove from hosts what no release needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import HOST, ROLE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Remove it, after a question on a terminal; the exit code is 10 when a host could not be asked."""
    from stagecraft.output.failures import note_failures
    from stagecraft.output.pruned import as_document, as_text
    from stagecraft.run.pruning import prune
    from stagecraft.run.selection import choose

    chosen = choose(session.loaded, flags["host"], (), flags["role"])
    dry_run = bool(flags["dry-run"])
    if not dry_run and not flags["yes"] and not _agreed(session, flags):
        session.say("nothing was removed")
        return 0
    if dry_run:
        with session.context() as ctx:
            pruned = prune(session.loaded, ctx, chosen, dry_run=True)
    else:
        with session.runner() as runner, runner.locked("prune"):
            pruned = prune(session.loaded, runner.ctx, chosen, dry_run=False)
    session.close()
    if session.json:
        session.emit(as_document(pruned, dry_run=dry_run))
    else:
        session.say(as_text(pruned, session.sink.style, done=not dry_run))
    note_failures(session.sink, pruned.failures)
    return 10 if pruned.failures else 0


def _agreed(session: Session, flags: Mapping[str, Any]) -> bool:
    """Ask on a terminal, showing what would go; elsewhere nobody is there to ask."""
    import sys

    if session.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    run({**flags, "dry-run": True}, session)
    session.sink.err.write("remove it? [y/N] ")
    session.sink.err.flush()
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


COMMANDS = (
    CommandLine(
        "prune",
        "Remove from hosts what no release needs any more",
        run,
        (
            HOST,
            ROLE,
            Flag("dry-run", "show what would be removed, and remove nothing", default=False),
            Flag("yes", "do not ask on a terminal", default=False),
        ),
        changes=True,
        exit_codes={
            0: "removed, or there was nothing to remove",
            1: "nothing was deployed yet, a run did not end, or somebody else changes the environment",
            2: "no host could be asked",
            10: "some hosts could not be asked; the others were pruned",
        },
        examples=("stagecraft prune -e prod --dry-run", "stagecraft prune -e prod --yes"),
    ),
)
