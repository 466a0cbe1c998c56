"""The real commands with their state on the hosts of the environment; here the only one is this machine."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tiny import Tiny, make


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    """A project that remembers its releases where it runs, and whose release "old" serves."""
    made = make(tmp_path / "tiny", "local")
    config = made.folder / "stagecraft.yml"
    config.write_text(config.read_text() + "state: hosts\n")
    try:
        made.deploy("old")
        yield made
    finally:
        made.take_down()


def outcomes(tiny: Tiny) -> list[str]:
    """Return what became of each release, newest first."""
    return [line.split()[3] for line in tiny("releases", "list").out.splitlines()[1:]]


def test_deploys_and_rollbacks_are_remembered(tiny: Tiny) -> None:
    tiny.deploy("new")
    tiny("rollback")
    assert tiny.serves() == "old"
    assert [r["version"] for r in json.loads(tiny("releases", "list", "--json").out)] == [
        "old",
        "new",
        "old",
    ]
    assert not (tiny.folder / ".stagecraft/releases.json").exists()
    kept = list((tiny.folder / ".stagecraft/run/local/state/releases").glob("*/release@*"))
    assert len(kept) == 3
    assert not [path for path in kept[0].parents[2].rglob("*") if path.is_file() and b"a-canary" in path.read_bytes()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_what_a_run_did_until_it_was_ended_is_remembered(tiny: Tiny, number: signal.Signals) -> None:
    """The history is written by commands, and Ctrl-C ends commands: not those that record it."""
    script = tiny.folder / ".stagecraft/hooks/rollout-before"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\ntouch "$PWD/here"\nexec sleep 20\n')
    script.chmod(0o755)
    process = tiny.start("deploy", "-v", "new")
    ends = time.monotonic() + 60
    while not (tiny.folder / "here").exists():
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(30) == (130 if number is signal.SIGINT else -number)
    script.unlink()
    if number is signal.SIGINT:
        assert process.stdout is not None
        assert "could not be recorded" not in process.stdout.read()
        assert outcomes(tiny)[:2] == ["undone", "serving"]
    else:
        assert outcomes(tiny)[:2] == ["interrupted", "serving"]
        tiny("deploy", "--resume")
        assert outcomes(tiny)[:2] == ["serving", "complete"]
