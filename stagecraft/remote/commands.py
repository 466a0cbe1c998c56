"""Turn a command into the one line that a foreman runs. No word of it is read by a shell as anything but that word."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Command, Secret

from stagecraft.remote.quoting import word, words

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def line(command: Command) -> str:
    """Return the line: folder, environment, then the command in a session of its own."""
    _refuse_nul(command)
    parts = []
    if command.cwd:
        parts.append(f"cd -- {word(command.cwd)} 2>/dev/null || cannot folder")
    # the environment is exported by a builtin: no process ever has it among its arguments
    parts += [f"export {name}={word(value)}" for name, value in _revealed(command.env).items()]
    parts.append(f"command -v {word(command.argv[0])} >/dev/null 2>&1 || cannot tool")
    parts.append(f"exec setsid {words(command.argv)} 5>&-")
    return "; ".join(parts)


def stdin(command: Command) -> bytes:
    """Return the bytes for standard input."""
    given = command.stdin
    return (given.reveal().encode() if isinstance(given, Secret) else given) or b""


def _revealed(env: Mapping[str, str | Secret]) -> dict[str, str]:
    for name in env:
        if not _NAME.match(name):
            raise UserError(f"{name!r} is no name of an environment variable", hint="use letters, digits and _")
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in env.items()}


def _refuse_nul(command: Command) -> None:
    texts = (*command.argv, command.cwd, *_revealed(command.env).values())
    if not command.argv or any("\0" in text for text in texts):
        raise UserError(
            f"{command.argv[0] if command.argv else 'a command'!r} cannot be run: no argument may hold a NUL byte",
            hint="hand binary data to standard input",
        )
