"""``stagecraft releases``: the history, and one release in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def list_releases(flags: Mapping[str, Any], session: Session) -> int:
    """Print the history, newest first."""
    from stagecraft_hookspecs.errors import UserError

    from stagecraft.output.releases import as_row, as_table
    from stagecraft.run.history import History

    if flags["limit"] < 0:
        raise UserError(f"--limit {flags['limit']} is less than none", hint="a number of releases; 0 means all")
    with session.context() as ctx:
        history = History(session.loaded.state.releases(ctx))
    newest = list(reversed(history.releases))[: flags["limit"] or None]
    if session.json:
        session.emit([as_row(r, history) for r in newest])
    elif not newest:
        session.say(f"no release of {session.config.environment} yet; `stagecraft deploy` makes the first")
    else:
        session.say(as_table(newest, history, session.sink.style))
    return 0


def show(flags: Mapping[str, Any], session: Session) -> int:
    """Print one release."""
    from stagecraft_hookspecs.errors import StateCorrupt, UserError

    from stagecraft.output.releases import as_document, as_text
    from stagecraft.run import bundle as bundles
    from stagecraft.run.history import History

    with session.context() as ctx:
        history = History(session.loaded.state.releases(ctx))
        if flags["id"]:
            release = history.get(flags["id"])
        elif history.releases:
            release = history.serving or history.releases[-1]
        else:
            raise UserError(f"no release of {session.config.environment} yet", hint="run `stagecraft deploy`")
        origin = history.origin(release)
        try:
            bundle = bundles.load(session.loaded.state.open(ctx, origin.id), origin.id)
        except StateCorrupt:
            bundle = None
    if session.json:
        session.emit(as_document(release, history, bundle))
    else:
        session.say(as_text(release, history, bundle, session.sink.style))
    return 0


COMMANDS = (
    CommandLine(
        "releases list",
        "List the releases, newest first",
        list_releases,
        (Flag("limit", "how many; 0 means all", default=20, metavar="N"),),
        exit_codes={0: "listed", 2: "the state cannot be read"},
    ),
    CommandLine(
        "releases show",
        "Show one release: phases, operations, images",
        show,
        (Flag("id", "which; default: the one that serves", metavar="ID", complete="release", positional=True),),
        exit_codes={0: "shown", 1: "there is no such release", 2: "the state cannot be read"},
        examples=("stagecraft releases show rel-20261120-091500123",),
    ),
)
