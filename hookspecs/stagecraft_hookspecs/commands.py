"""Commands: add one to the command line. The built-in commands are described by the same values.

A whole plugin is this file, ``stagecraft_hello/plugin.py``::

    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.commands import CommandLine, Flag

    def hello(arguments, session):
        session.say(f"hello {arguments['name']}, this is {session.project}")
        return 0

    @hookimpl
    def stagecraft_commands():
        return [CommandLine("hello", "Greet somebody", hello, flags=(Flag("name", "whom to greet", default="you"),))]

with the entry point ``hello = "stagecraft_hello.plugin"`` in the group ``stagecraft``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs

from stagecraft_hookspecs import hookspec


@attrs.frozen
class Flag:
    """Describe a flag.

    Attributes:
        name: Without dashes: ``to-release``.
        help: One line.
        default: Its type is the flag's type: bool (a switch), str, int; a tuple is comma-separated names.
        short: One letter, or empty.
        metavar: What stands for the value in the help.
        choices: The only values it takes, if there are such.
        complete: What completes its value: ``environment``, ``service``, ``release``, ``host``, ``role``, ``file`` or nothing.
        positional: Whether the value may stand without the flag's name; never on a command that changes anything.
        aliases: Further names, without dashes.
    """

    name: str
    help: str
    default: bool | str | int | tuple[str, ...] = ""
    short: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    complete: str = ""
    positional: bool = False
    aliases: tuple[str, ...] = ()


class Session(Protocol):
    """Give a command the project and the output."""

    @property
    def project(self) -> str:
        """Return the project's name; raises ConfigError when there is no usable configuration."""
        ...

    @property
    def json(self) -> bool:
        """Tell whether ``--json`` was given: then print one document with ``emit`` and nothing else."""
        ...

    def say(self, text: str = "") -> None:
        """Print a line for people; with ``--json`` it goes to stderr."""
        ...

    def emit(self, document: Any) -> None:
        """Print a JSON document (or a line of JSON lines) on stdout; only with ``--json``."""
        ...


@attrs.frozen
class CommandLine:
    """Describe a command.

    Attributes:
        name: ``status``, or with its group ``releases list``.
        help: One line for the list of commands.
        run: Gets the flags' values by name and the session; returns the exit code.
        flags: In the order in which the help shows them.
        changes: Whether it changes anything; such a command takes no positionals.
        exit_codes: Exit code to when it is returned, for the help and the docs.
        examples: Command lines shown at the end of its help.
        description: More than one line, for its own help.
        rest: Whether it takes what stands behind ``--``.
    """

    name: str
    help: str
    run: Callable[[Mapping[str, Any], Any], int]
    flags: tuple[Flag, ...] = ()
    changes: bool = False
    exit_codes: Mapping[int, str] = attrs.field(factory=dict)
    examples: tuple[str, ...] = ()
    description: str = ""
    rest: bool = False


@hookspec
def stagecraft_commands() -> Iterable[CommandLine]:  # type: ignore[empty-body]
    """Return commands. Called for ``--help`` and when the first word is not a built-in command."""
