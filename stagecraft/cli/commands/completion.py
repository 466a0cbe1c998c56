"""``stagecraft completion``: completion for bash, zsh and fish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from stagecraft.cli.session import Session

SHELLS = ("bash", "zsh", "fish")


def run(flags: Mapping[str, Any], session: Session) -> int:
    """Print a shell's script, or what completes a command line."""
    from stagecraft.cli.completing import candidates, script

    if session.rest:
        for word in candidates(session.rest, session):
            session.say(word)
        return 0
    if not flags["shell"]:
        raise UserError("which shell?", hint="`stagecraft completion --shell bash`, zsh or fish")
    session.say(script(flags["shell"]))
    return 0


COMMANDS = (
    CommandLine(
        "completion",
        "Print a completion script for a shell",
        run,
        (Flag("shell", "for which shell", choices=SHELLS, positional=True),),
        exit_codes={0: "printed", 1: "there is no such shell"},
        examples=(
            'eval "$(stagecraft completion bash)"',
            "stagecraft completion fish > ~/.config/fish/completions/stagecraft.fish",
        ),
        description="It completes commands, flags, and the names of environments, services, hosts and releases of the "
        "project in the current folder.",
        rest=True,
    ),
)
