"""Hold the state provider to the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.contract.state import StateContract
from stagecraft_local.state import Local


class TestLocal(StateContract):
    @pytest.fixture
    def provider(self) -> Local:
        return Local()

    def damage(self, root: Path) -> bool:
        file = root / ".stagecraft" / "releases.json"
        file.write_bytes(file.read_bytes()[:-20])
        return True
