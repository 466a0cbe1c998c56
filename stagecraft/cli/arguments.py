"""Bring a command line into the one form that is parsed: command first, groups joined, global flags behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import NotFound, UserError

from stagecraft.cli.registry import GLOBAL_FLAGS


@attrs.frozen
class Words:
    """Hold a command line taken apart.

    Attributes:
        command: Its words: ``()``, ``("plan",)``, ``("releases", "list")``.
        flags: What follows, global flags that stood before the command included.
        rest: What stands behind ``--``, untouched.
        help: Whether ``-h`` or ``--help`` was given anywhere before ``--``.
        version: Whether ``--version`` was asked of the program itself.
    """

    command: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    help: bool = False
    version: bool = False


def split(argv: Sequence[str], groups: Collection[str]) -> Words:
    """Take a command line apart.

    Args:
        argv: Without the program's name.
        groups: First words that take a second one.

    Raises:
        UserError: A flag stands before the command that is no global one, or lacks its value.
    """
    words = list(argv)
    rest: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1 :]
    wants_help = any(word in ("-h", "--help") for word in words)
    words = [word for word in words if word not in ("-h", "--help")]
    leading, words = _leading(words)
    if leading == ["--version"]:
        return Words(version=True)
    command: list[str] = []
    if words:
        first = words.pop(0)
        # `releases.list` and `releases list` are the same
        command = first.split(".", 1)
        if len(command) == 1 and first in groups and words and not words[0].startswith("-"):
            command.append(words.pop(0))
    return Words(tuple(command), (*words, *leading), tuple(rest), wants_help)


def _leading(words: list[str]) -> tuple[list[str], list[str]]:
    """Split off the global flags that stand before the command."""
    by_name = {f"--{f.name}": f for f in GLOBAL_FLAGS} | {f"-{f.short}": f for f in GLOBAL_FLAGS if f.short}
    taken: list[str] = []
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--version":
            return ["--version"], words
        name, equals, _ = word.partition("=")
        flag = by_name.get(name)
        if flag is None:
            raise NotFound(
                "global flag",
                word,
                [n for n in by_name if n.startswith("--")],
                hint="flags of a command stand behind it",
            )
        taken.append(word)
        if not isinstance(flag.default, bool) and not equals:
            if not words:
                raise UserError(f"{word} needs a value", hint=f"{word} {flag.metavar}")
            taken.append(words.pop(0))
    return taken, words


def named(command: CommandLine, words: Sequence[str]) -> tuple[str, ...]:
    """Return a command's words with the value of its positional flag written as a flag; Invoke knows no optional positional."""
    positional = next((f for f in command.flags if f.positional), None)
    if positional is None:
        return tuple(words)
    flags = [*command.flags, *GLOBAL_FLAGS]
    valued = {n for f in flags if not isinstance(f.default, bool) for n in (f"--{f.name}", f"-{f.short}")}
    found: list[str] = []
    for index, word in enumerate(words):
        bare = not word.startswith("-") and (index == 0 or words[index - 1] not in valued)
        found.append(f"--{positional.name}={word}" if bare else word)
        if bare:
            return (*found, *words[index + 1 :])
    return tuple(found)


def value_of(flag: Flag, given: object) -> object:
    """Return a flag's value in the type of its default; raises UserError for a value that it cannot take."""
    if isinstance(flag.default, tuple):
        text = ",".join(map(str, given)) if isinstance(given, list | tuple) else str(given or "")
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or flag.default
    if isinstance(flag.default, int) and not isinstance(flag.default, bool):
        try:
            return int(str(given))
        except ValueError:
            raise UserError(f"--{flag.name} takes a number, not {given!r}", hint=f"such as {flag.default}") from None
    if flag.choices and given not in ("", *flag.choices):
        raise NotFound(f"value of --{flag.name}", str(given), flag.choices)
    return given


def typed(command: CommandLine, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return Invoke's values by the flags' own names, in the types of their defaults."""
    found = {}
    for flag in (*command.flags, *GLOBAL_FLAGS):
        key = flag.name.replace("-", "_")
        if key in values:
            found[flag.name] = value_of(flag, values[key])
    return found
