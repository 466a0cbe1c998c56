"""The client of this machine's container engine: its calls end with their scope."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import Interrupted, TimedOut, ToolMissing

from stagecraft.machine.local import LocalMachine
from stagecraft.machine.scope import Scope


def blocked(scope: Scope, path: Path, call: Callable[[Any], object], stop: Callable[[], None]) -> float:
    """Return how long a call took that nothing but its scope ends."""
    client = LocalMachine(path, scope).docker()
    threading.Timer(0.5, stop).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        call(client.api)
    return time.monotonic() - started


@pytest.mark.needs("docker")
def test_a_call_that_blocks_ends_with_its_scope(tmp_path: Path) -> None:
    parent = Scope()
    scope = Scope(parent)
    assert blocked(scope, tmp_path, lambda api: list(api.events()), parent.cancel) < 10


@pytest.mark.needs("docker")
def test_a_scopes_deadline_ends_a_call_and_others_go_on(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path, Scope())
    machine.docker().ping()
    with pytest.raises(TimedOut, match="not finished within 1 seconds"):
        list(machine.within(Scope(deadline=1.0)).docker().events())
    assert machine.docker().ping()
    stopped = Scope()
    stopped.cancel()
    with pytest.raises(Interrupted):
        machine.within(stopped).docker().ping()


def test_an_engine_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(ToolMissing, match="does not answer"):
        LocalMachine(tmp_path, Scope()).docker()
