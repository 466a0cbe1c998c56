"""``stagecraft migrate``: what is pending, applied or drifted in each database, and applying it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

_DATABASE = Flag("database", "only this one", metavar="NAME")
_TO = Flag("to", "up to and including this migration", metavar="NAME")


def plan(flags: Mapping[str, Any], session: Session) -> int:
    """Print what each database has and what it lacks."""
    from stagecraft.output.migrations import as_document, as_text
    from stagecraft.run.migrating import inspect

    with session.context() as ctx:
        found = inspect(session.loaded, ctx, flags["database"], flags["to"])
    if session.json:
        session.emit([as_document(one) for one in found])
    else:
        session.say(as_text(found, session.sink.style))
    return 1 if any(one.plan.problems for one in found) else 0


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Apply what is pending."""
    if flags["plan"]:
        return plan(flags, session)
    from stagecraft.run.migrating import migrate

    with session.runner(wait=flags["wait"]) as runner:
        applied = migrate(runner, flags["database"], flags["to"])
    if session.json:
        session.emit(applied)
    else:
        for name, names in applied.items():
            session.say(f"{name}: " + (f"applied {', '.join(names)}" if names else "nothing was pending"))
    return 0


_CODES = {0: "done", 1: "the migrations' files are at fault, or a database has drifted", 2: "the database failed"}
COMMANDS = (
    CommandLine(
        "migrate plan", "Show pending, applied and drifted migrations", plan, (_DATABASE, _TO), exit_codes=_CODES
    ),
    CommandLine(
        "migrate run",
        "Apply pending migrations (`migrate` alone does this)",
        run,
        (
            _DATABASE,
            _TO,
            Flag("plan", "show what is pending instead", default=False),
            Flag("wait", "queue while somebody else deploys", default=False),
        ),
        changes=True,
        exit_codes={**_CODES, 130: "interrupted"},
        examples=("stagecraft migrate -e prod --plan", "stagecraft migrate -e prod --database main"),
    ),
)
