"""``stagecraft init``: look at the folder and write a stagecraft.yml that validates."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

FILE = "stagecraft.yml"


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Write the file, asking only what cannot be seen."""
    from stagecraft_hookspecs.errors import Refused

    from stagecraft.initial import render, survey
    from stagecraft.machine import files

    path = session.cwd / FILE
    if path.exists() and not flags["force"]:
        raise Refused(f"{FILE} is there already", hint="edit it, or write it anew with --force")
    seen = survey(session.cwd, session.kernel)
    ask = sys.stdin.isatty() and not flags["yes"] and not session.json
    project = _ask(session, "project's name", seen.project) if ask else seen.project
    environment = _ask(session, "first environment's name", seen.environment) if ask else seen.environment
    text = render(seen, project, environment)
    files.write(path, text.encode())
    _validate(session)
    if session.json:
        session.emit({"path": FILE, "project": project, "environments": [environment], "seen": list(seen.notes)})
    else:
        for note in seen.notes:
            session.say(f"  saw {note}")
        session.say(f"wrote {FILE}; next: `stagecraft plan`, then `stagecraft deploy`")
    return 0


def _ask(session: Session, what: str, default: str) -> str:
    session.sink.words.write(f"{what} [{default}]: ")
    session.sink.words.flush()
    return sys.stdin.readline().strip() or default


def _validate(session: Session) -> None:
    """Read what was written as every other command will; a fault shows here and not at the first deploy."""
    from stagecraft_hookspecs.errors import ConfigError

    from stagecraft.loading import faults_of

    problems = faults_of(session.raw, session.kernel)
    if problems:
        raise ConfigError(problems)


COMMANDS = (
    CommandLine(
        "init",
        "Look at this folder and write a stagecraft.yml that validates",
        run,
        (
            Flag("yes", "ask nothing", default=False),
            Flag("force", "write it anew though it is there", default=False),
        ),
        changes=True,
        exit_codes={0: "written", 1: "it is there already, or there is no compose file"},
        examples=("stagecraft init", "stagecraft init --yes"),
    ),
)
