"""Which commands there are. Names before imports: a command's module is imported when the command is asked for, or all for help."""

from __future__ import annotations

import importlib

from stagecraft_hookspecs.commands import CommandLine, Flag

#: First word to module; a module's ``COMMANDS`` are the commands with that first word.
MODULES = {
    "init": "stagecraft.cli.commands.init",
    "dev": "stagecraft.cli.commands.dev",
    "plan": "stagecraft.cli.commands.plan",
    "build": "stagecraft.cli.commands.build",
    "deploy": "stagecraft.cli.commands.deploy",
    "rollback": "stagecraft.cli.commands.rollback",
    "releases": "stagecraft.cli.commands.releases",
    "migrate": "stagecraft.cli.commands.migrate",
    "status": "stagecraft.cli.commands.status",
    "logs": "stagecraft.cli.commands.logs",
    "drift": "stagecraft.cli.commands.drift",
    "prune": "stagecraft.cli.commands.prune",
    "ssh": "stagecraft.cli.commands.ssh",
    "exec": "stagecraft.cli.commands.exec",
    "run": "stagecraft.cli.commands.run",
    "config": "stagecraft.cli.commands.config",
    "plugins": "stagecraft.cli.commands.plugins",
    "lock": "stagecraft.cli.commands.lock",
    "doctor": "stagecraft.cli.commands.doctor",
    "completion": "stagecraft.cli.commands.completion",
}

#: Flags that every command has.
GLOBAL_FLAGS = (
    Flag(
        "env", "the environment; not needed when there is one only", short="e", metavar="NAME", complete="environment"
    ),
    Flag("config", "the configuration file, instead of the one found here", metavar="PATH", complete="file"),
    Flag("verbose", "show more, and tracebacks of errors", default=False, short="V"),
    Flag("json", "print JSON on stdout and everything else on stderr", default=False),
    Flag("no-color", "print no colours", default=False),
    Flag("no-plugins", "load only the plugins that the configuration names as providers", default=False),
    Flag("help", "show this help", default=False, short="h"),
)


def commands_of(word: str) -> tuple[CommandLine, ...]:
    """Return the built-in commands that begin with a word; none if there are none."""
    module = MODULES.get(word)
    return tuple(importlib.import_module(module).COMMANDS) if module else ()


def builtin_commands() -> tuple[CommandLine, ...]:
    """Return all built-in commands, in the order in which the help shows them."""
    return tuple(command for word in MODULES for command in commands_of(word))
