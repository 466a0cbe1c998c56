"""Hold the engine to the contract."""

from __future__ import annotations

import pytest
from stagecraft_command.engine import CommandConfig, CommandEngine
from stagecraft_hookspecs.contract.migration import MigrationContract


class TestCommand(MigrationContract):
    @pytest.fixture
    def provider(self) -> CommandEngine:
        return CommandEngine(CommandConfig("api", ("python", "manage.py", "migrate")))
