"""The contract suite of plugins that add commands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.contract.doubles import FakeSession
from stagecraft_hookspecs.errors import StagecraftError

_WORD = re.compile(r"[a-z][a-z0-9-]*\Z")

#: Flags of every command, which a command's own must not hide.
GLOBAL = {"env", "config", "verbose", "json", "no-color", "no-plugins", "help", "version"}
GLOBAL_SHORT = {"e", "V", "h"}


class CommandsContract:
    """Prove a plugin's commands. The one thing to give is the fixture ``plugin``: its module, or an object with the hook."""

    @pytest.fixture
    def plugin(self) -> Any:
        """Return the plugin."""
        pytest.fail(f"give {type(self).__name__} a fixture `plugin` that returns the plugin's module", pytrace=False)

    def arguments(self, command: CommandLine) -> Mapping[str, Any]:
        """Return flags' values with which a command is tried; by default its own defaults."""
        return {flag.name: flag.default for flag in command.flags}

    def session(self, json: bool) -> FakeSession:
        """Return the session with which a command is tried."""
        return FakeSession(json=json)

    def commands(self, plugin: Any) -> tuple[CommandLine, ...]:
        """Return the plugin's commands."""
        return tuple(plugin.stagecraft_commands())

    def test_commands_are_well_formed(self, plugin: Any) -> None:
        """A command has a name of one or two words, a line of help, and distinct flags; what changes takes no positionals."""
        commands = self.commands(plugin)
        assert commands
        assert len({command.name for command in commands}) == len(commands)
        for command in commands:
            assert isinstance(command, CommandLine)
            words = command.name.split(" ")
            assert len(words) <= 2
            assert all(_WORD.match(word) for word in words), command.name
            assert command.help.strip()
            assert "\n" not in command.help
            assert not (command.changes and any(flag.positional for flag in command.flags)), command.name
            assert {0, *command.exit_codes} <= {0, 1, 2, 3, 10, 130}

    def test_flags_are_well_formed(self, plugin: Any) -> None:
        """Flags are distinct, documented, and hide no global one."""
        for command in self.commands(plugin):
            names = [name for flag in command.flags for name in (flag.name, *flag.aliases)]
            shorts = [flag.short for flag in command.flags if flag.short]
            assert len(set(names)) == len(names)
            assert len(set(shorts)) == len(shorts)
            assert not GLOBAL & set(names)
            assert not GLOBAL_SHORT & set(shorts)
            for flag in command.flags:
                assert isinstance(flag, Flag)
                assert _WORD.match(flag.name), flag.name
                assert len(flag.short) <= 1
                assert flag.help.strip()
                assert not flag.choices or flag.default in ("", *flag.choices)

    @pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
    def test_commands_run(self, plugin: Any, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
        """A command returns an exit code or raises an error of the tree; it speaks through the session alone.

        Commands that change something are not tried; test those yourself.
        """
        for command in self.commands(plugin):
            if command.changes:
                continue
            session = self.session(as_json)
            try:
                code = command.run(self.arguments(command), session)
            except StagecraftError as error:
                assert error.message.strip()
                continue
            assert code in (0, 1, 2, 3, 10, 130)
            assert as_json or not session.emitted, f"{command.name} emits JSON without --json"
            json.dumps(session.emitted)
        assert capsys.readouterr().out == "", "print through the session, which knows --json and scrubs secrets"
