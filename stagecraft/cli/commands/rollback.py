"""``stagecraft rollback``: put a former release back through the same executor, without building."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Roll back."""
    from stagecraft.output.summary import show_release

    if sum(map(bool, (flags["to-previous"], flags["to-release"], flags["to-version"]))) > 1:
        raise UserError("--to-previous, --to-release and --to-version exclude each other", hint="give one of them")
    choice = {
        "to_release": flags["to-release"],
        "to_version": flags["to-version"],
        "irreversible": flags["across-irreversible"],
    }
    with session.runner(wait=flags["wait"]) as runner:
        if flags["dry-run"]:
            from stagecraft.plan.show import as_text
            from stagecraft.run.history import History

            history = History(session.loaded.state.releases(runner.ctx))
            source, _, plan = runner.plan_rollback(history, **choice)
            if session.json:
                session.emit({**plan.to_dict(), "dry_run": True, "source": source.id})
            else:
                session.say(f"would put back {source.id} (version {source.version})")
                session.say(as_text(plan, session.sink.style))
                session.say("dry run: nothing was changed")
            return 0
        release = runner.rollback(**choice)
        session.close()
        show_release(session, release)
    return 0


COMMANDS = (
    CommandLine(
        "rollback",
        "Put a former release back, without building anything",
        run,
        (
            Flag("to-previous", "the release that served before; this is the default", default=False),
            Flag("to-release", "this release", metavar="ID", complete="release"),
            Flag("to-version", "the newest release of this version", metavar="NAME"),
            Flag("dry-run", "show what would be done, and write nothing", default=False),
            Flag("across-irreversible", "also across migrations marked irreversible", default=False),
            Flag("wait", "queue while somebody else deploys", default=False),
        ),
        changes=True,
        exit_codes={
            0: "the former release serves",
            1: "there is no such release, or a safety rule says no; nothing was changed",
            2: "something failed; it was undone, and the release that served before still does",
            3: "a fault in Stagecraft or a plugin",
            10: "some hosts succeeded and some did not",
            130: "interrupted; it was undone, or the hint says how to",
        },
        examples=("stagecraft rollback -e prod", "stagecraft rollback -e prod --to-version 1.3.2"),
    ),
)
