"""Hold the state provider to the contract: on this machine alone, and on three hosts of which one is down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hosts_machines import FolderContext
from stagecraft_hookspecs.contract.state import StateContract
from stagecraft_hosts.state import Hosts


class OnHosts(StateContract):
    """Run the suite on folders that are hosts."""

    count = 1
    down: tuple[str, ...] = ()

    @pytest.fixture
    def provider(self) -> Hosts:
        return Hosts()

    def here(self, root: Path, environment: str = "prod") -> Any:
        context = FolderContext(root, root, self.count, environment)
        for name in self.down:
            context.machines[name].down = True
        return context

    def damage(self, root: Path) -> bool:
        for file in root.glob("app-*/.stagecraft/**/release@*"):
            file.write_bytes(file.read_bytes()[:-20])
        return True


class TestOneHost(OnHosts):
    count = 1


class TestTwoHostsOneDown(OnHosts):
    count, down = 2, ("app-2",)


class TestThreeHosts(OnHosts):
    count = 3


class TestThreeHostsOneDown(OnHosts):
    count, down = 3, ("app-1",)
