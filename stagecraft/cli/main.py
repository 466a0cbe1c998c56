"""From a command line to an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from stagecraft_hookspecs.commands import CommandLine
from stagecraft_hookspecs.errors import Interrupted, NotFound, StagecraftError, UserError

from stagecraft.cli import registry
from stagecraft.cli.arguments import Words, named, split
from stagecraft.cli.edge import Edge, show
from stagecraft.output.sink import Sink, hush

#: First words that take a second one.
GROUPS = frozenset({"releases", "migrate", "config", "plugins", "lock"})
#: Groups that mean something by themselves.
DEFAULTS = {"migrate": "run", "config": "show", "plugins": "list", "lock": "status", "releases": "list"}


def run(argv: Sequence[str]) -> int:
    """Run a command line (without the program's name)."""
    _streams()
    color = False if "--no-color" in argv else None
    verbose = "-V" in argv or "--verbose" in argv
    sink = Sink(sys.stdout, sys.stderr, json="--json" in argv, color=color, verbose=verbose)
    try:
        words = split(argv, GROUPS)
        if words.version:
            from stagecraft import __version__

            sink.page(f"stagecraft {__version__}")
            return 0
        if not words.command:
            return _overview(sink, words)
        return _dispatch(sink, words)
    except StagecraftError as error:
        return show(error, sink)
    except KeyboardInterrupt:
        return show(Interrupted("interrupted", hint="run the command again"), sink)
    except BrokenPipeError:
        hush(sys.stdout)
        return 0
    finally:
        _settle()


def _streams() -> None:
    """Make the standard streams fit to be written to, whatever whoever started us did to them.

    A stream that was closed is opened on nothing, so that no file of ours gets its number and with it what is printed. Stdout shows
    what its encoding lacks as an escape, as stderr does: a name in another script must not end a command.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        with contextlib.suppress(OSError):  # what cannot be written by now is said where it is written again
            sys.stdout.reconfigure(errors="backslashreplace")


def _settle() -> None:
    """Write out what is still buffered; where that fails nobody is left to read it, and Python must not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            hush(stream)


def _overview(sink: Sink, words: Words) -> int:
    from stagecraft.cli.help import overview
    from stagecraft.cli.plugin_commands import plugin_commands

    if words.flags and not words.help:
        raise UserError("no command given", hint="see `stagecraft --help`")
    commands = [*registry.builtin_commands(), *plugin_commands(sink)]
    sink.page(overview(commands))
    return 0 if words.help else 1


def _dispatch(sink: Sink, words: Words) -> int:
    first = words.command[0]
    commands = registry.commands_of(first)
    if not commands:
        from stagecraft.cli.plugin_commands import plugin_commands

        commands = tuple(c for c in plugin_commands(sink) if c.name.split()[0] == first)
    if not commands:
        known = sorted({*registry.MODULES, *(c.name for c in commands)})
        raise NotFound("command", first, known, hint="see `stagecraft --help`")
    command = _choose(commands, words)
    if words.help:
        from stagecraft.cli.help import command_help, group_help

        sink.page(command_help(command) if command else group_help(first, commands, DEFAULTS.get(first, "")))
        return 0
    if command is None:
        names = [c.name for c in commands]
        raise NotFound(f"{first} command", words.command[-1], names, hint=f"one of: {', '.join(names)}")
    if words.rest and not command.rest:
        raise UserError(
            f"{command.name} takes nothing behind `--`, and {words.rest[0]!r} stands there",
            hint=f"see `stagecraft {command.name} --help`",
        )
    return _invoke(command, words)


def _choose(commands: Sequence[CommandLine], words: Words) -> CommandLine | None:
    first = words.command[0]
    name = " ".join(words.command)
    if len(words.command) == 1 and not any(c.name == name for c in commands):
        if words.help:
            return None
        name = f"{first} {DEFAULTS.get(first, '')}"
    return next((c for c in commands if c.name == name), None)


def _invoke(command: CommandLine, words: Words) -> int:
    from stagecraft.cli.light_invoke import import_invoke

    import_invoke()
    from invoke import Exit

    from stagecraft.cli.program import StagecraftProgram

    try:
        StagecraftProgram([command], Edge(words.rest)).run(
            [command.name.replace(" ", "."), *named(command, words.flags)]
        )
    except Exit as exit:
        return int(exit.code)
    return 0
