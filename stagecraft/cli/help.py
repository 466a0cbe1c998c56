"""Help, written from the commands' own descriptions."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.registry import GLOBAL_FLAGS

_INTRO = "Take a multi-service application from a laptop to one host and then to many."
_GROUPS = (
    ("Begin", ("init", "doctor", "config", "plugins", "completion")),
    ("Develop", ("dev",)),
    ("Deploy", ("plan", "build", "deploy", "rollback", "releases", "migrate", "lock")),
    ("Operate", ("status", "logs", "exec", "run", "ssh", "drift", "prune")),
)


def overview(commands: Sequence[CommandLine]) -> str:
    """Return the help of the whole program."""
    width = _width()
    label = max(len(c.name) for c in commands) + 2
    lines = [_INTRO, "", "usage: stagecraft COMMAND [FLAGS]", ""]
    placed = {word for _, words in _GROUPS for word in words}
    groups = [*_GROUPS, ("From plugins", tuple(sorted({c.name.split()[0] for c in commands} - placed)))]
    for title, words in groups:
        chosen = [c for word in words for c in commands if c.name.split()[0] == word]
        if chosen:
            lines += [f"{title}:", *(_row(c.name, c.help, label, width) for c in chosen), ""]
    lines += ["Flags of every command:", *_flags(GLOBAL_FLAGS, width), ""]
    lines += ["`stagecraft COMMAND --help` shows a command's own flags; `stagecraft --version` the version."]
    return "\n".join(lines)


def command_help(command: CommandLine) -> str:
    """Return the help of one command."""
    width = _width()
    lines = [command.help + ".", "", f"usage: stagecraft {command.name}{_positional(command)} [FLAGS]", ""]
    if command.description:
        lines += [textwrap.fill(p, width) + "\n" for p in command.description.split("\n\n")]
    if command.flags:
        lines += ["Flags:", *_flags(command.flags, width), ""]
    lines += ["Flags of every command:", *_flags(GLOBAL_FLAGS, width)]
    if command.exit_codes:
        codes = [_row(str(code), text, 6, width) for code, text in sorted(command.exit_codes.items())]
        lines += ["", "Exit codes:", *codes]
    if command.examples:
        lines += ["", "Examples:", *(f"  {example}" for example in command.examples)]
    return "\n".join(lines)


def _positional(command: CommandLine) -> str:
    """Return the word that may stand without its flag's name: `` [ID]``."""
    return "".join(f" [{flag.metavar or flag.name.upper()}]" for flag in command.flags if flag.positional)


def group_help(word: str, commands: Sequence[CommandLine], alone: str = "") -> str:
    """Return the help of a group of commands, such as ``releases``; ``alone`` is the one that the word alone stands for."""
    width = _width()
    label = max(len(c.name) for c in commands) + 2
    lines = [f"usage: stagecraft {word} COMMAND [FLAGS]", "", *(_row(c.name, c.help, label, width) for c in commands)]
    if alone:
        lines += ["", f"`stagecraft {word} [FLAGS]` is short for `stagecraft {word} {alone} [FLAGS]`."]
    return "\n".join(lines)


def spelled(flag: Flag) -> str:
    """Return a flag as it is written: ``-e, --env NAME``."""
    value = "" if isinstance(flag.default, bool) else f" {flag.metavar or _metavar(flag)}"
    return (f"-{flag.short}, " if flag.short else "    ") + f"--{flag.name}{value}"


def _metavar(flag: Flag) -> str:
    if flag.choices:
        return "|".join(flag.choices)
    return "N" if isinstance(flag.default, int) else "A,B" if isinstance(flag.default, tuple) else "VALUE"


def _flags(flags: Iterable[Flag], width: int) -> list[str]:
    rows = [
        (spelled(f), f.help + (f" (default {f.default})" if f.default and f.default is not True else "")) for f in flags
    ]
    label = min(max(len(row[0]) for row in rows) + 2, 34)
    return [_row(name, text, label, width) for name, text in rows]


def _row(name: str, text: str, label: int, width: int) -> str:
    lines = textwrap.wrap(text, max(20, width - label - 2)) or [""]
    first = f"  {name:<{label}}" if len(name) < label else f"  {name}\n  {'':<{label}}"
    return ("\n  " + " " * label).join([first + lines[0], *lines[1:]])


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 110)
