"""A project's folder, a context for it, and releases to keep."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status
from stagecraft_local.state import Local

MakeContext = Callable[..., Any]
MakeRelease = Callable[..., Release]


@pytest.fixture(autouse=True)
def no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAGECRAFT_STATE_FILE", raising=False)


@pytest.fixture
def context(tmp_path: Path) -> MakeContext:
    """Make the part of the Context Protocol that a state provider uses."""

    def make(root: Path = tmp_path, environment: str = "prod", **more: Any) -> Any:
        here = {"project": "shop", "sleep": time.sleep, "monotonic": time.monotonic}
        return SimpleNamespace(root=root, environment=environment, **{**here, **more})

    return make


@pytest.fixture
def ctx(context: MakeContext) -> Any:
    return context()


@pytest.fixture
def state() -> Local:
    return Local()


@pytest.fixture
def release() -> MakeRelease:
    """Make a release by its serial number."""

    def make(serial: int = 1, environment: str = "prod", **more: Any) -> Release:
        operations = (OperationRecord("build:api", Phase.BUILD, Status.COMPLETED, 1.5),)
        given = {
            "id": f"rel-20250102-{serial:09d}",
            "version": f"v{serial}",
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "who": "alice@laptop",
            "timestamp": "2025-01-02T03:04:05Z",
            "phases": dict.fromkeys(Phase, Status.COMPLETED),
            "operations": operations,
            "downtime": {"seconds": 0.25, "probes": [1, 2]},
        }
        return Release(serial=serial, environment=environment, **{**given, **more})

    return make
