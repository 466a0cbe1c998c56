"""``stagecraft doctor``: look at everything a deploy relies on, change nothing, and name the next step for each fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

from stagecraft.cli.flags import HOST, ROLE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print every check; the exit code is 1 when one failed."""
    import attrs

    from stagecraft.doctor import examine

    found = []
    for check in examine(session, flags["host"], flags["role"]):
        found.append(check)
        if not session.json:
            colors = {"ok": "32", "warning": "33", "failed": "1;31"}
            session.say(
                f"{session.sink.style(f'{check.verdict:<8}', colors[check.verdict])} {check.what}: {check.found}"
            )
            if check.hint:
                session.say(f"         hint: {check.hint}")
    failed = sum(check.verdict == "failed" for check in found)
    if session.json:
        session.emit([attrs.asdict(check) for check in found])
    else:
        session.say(f"{len(found)} checks, {failed} failed")
    return 1 if failed else 0


COMMANDS = (
    CommandLine(
        "doctor",
        "Check all that a deploy relies on, and name the next step for each fault",
        run,
        (HOST, ROLE),
        exit_codes={0: "nothing failed", 1: "something failed; each is printed with its next step"},
    ),
)
