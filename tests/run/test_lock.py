"""Who holds the lock, here and on hosts, and how it is taken from somebody who will not come back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .operated import Fleet

HOLD = """
import signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from stagecraft_hookspecs.state import Holder
from stagecraft_local.state import Local
ctx = SimpleNamespace(root=Path(sys.argv[1]), environment="prod", sleep=time.sleep, monotonic=time.monotonic)
with Local().lock(ctx, Holder("carol@ci", "deploy", "2026-01-02T03:04:05Z")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(fleet: Fleet) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the environment's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(fleet.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdin
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def hold(fleet: Fleet, host: str, who: str = "dave@build") -> Path:
    path = fleet.host(host) / "held"
    path.write_text(f"{who},deploy,2026-01-02T03:04:05Z")
    return path


def test_a_free_lock(fleet: Fleet) -> None:
    assert fleet("lock", "status", code=0).out == "prod is free\n"
    assert json.loads(fleet("lock", "--json", code=0).out) == {
        "environment": "prod",
        "holder": None,
        "hosts": {},
        "failures": [],
    }
    assert fleet("lock", "release", code=0).out == "prod is free\n"


def test_the_holder_is_shown_here_and_on_hosts(fleet: Fleet, holder: subprocess.Popen[str]) -> None:
    hold(fleet, "app-1")
    hold(fleet, "app-2")
    hold(fleet, "db-1", "erin@desk")
    assert fleet("lock", code=0).out.splitlines() == [
        f"prod is held by carol@ci (deploy) since 2026-01-02T03:04:05Z, process {holder.pid}",
        "on app-1, app-2 by dave@build (deploy) since 2026-01-02T03:04:05Z",
        "on db-1 by erin@desk (deploy) since 2026-01-02T03:04:05Z",
    ]
    assert set(json.loads(fleet("lock", "--json", "--role", "app").out)["hosts"]) == {"app-1", "app-2"}
    assert "warning: carol@ci changes it right now" in fleet("status", code=0).out


def test_somebody_who_deploys_from_elsewhere_is_seen_on_the_hosts(fleet: Fleet) -> None:
    hold(fleet, "app-2")
    assert (
        "warning: dave@build changes it right now (deploy, since 2026-01-02T03:04:05Z)" in fleet("status", code=0).out
    )
    assert json.loads(fleet("status", "--json").out)["lock"]["who"] == "dave@build"
    assert "ok       prod: lock on app-2: held by dave@build (deploy) since" in fleet("doctor", code=0).out


def test_a_host_that_cannot_be_asked_is_named(fleet: Fleet) -> None:
    fleet.down("app-2")
    printed = fleet("lock", "status", code=10)
    assert printed.out == "prod is free\n"
    assert printed.err.startswith("error: app-2: cannot reach app-2\n")


def test_while_the_holder_lives_it_is_not_taken_unless_forced(fleet: Fleet, holder: subprocess.Popen[str]) -> None:
    printed = fleet("lock", "release", code=1)
    assert "error: prod is held by carol@ci" in printed.err
    assert "`--force` takes it away" in printed.err
    assert holder.poll() is None
    printed = fleet("lock", "release", "--force", code=0)
    assert printed.out.startswith("prod is taken from carol@ci (deploy)")
    assert holder.wait(10) == -signal.SIGTERM
    assert fleet("lock", code=0).out == "prod is free\n"


def test_a_lease_on_hosts_is_broken(fleet: Fleet) -> None:
    first, second = hold(fleet, "app-1"), hold(fleet, "db-1")
    assert fleet("lock", "release", code=1).err.startswith("error: prod is held by dave@build (deploy)")
    printed = fleet("lock", "release", "--force", code=0)
    assert printed.out == "prod is taken from dave@build (deploy) since 2026-01-02T03:04:05Z on app-1, db-1\n"
    assert not first.exists() and not second.exists()


def test_what_may_be_left_half_done_is_said(fleet: Fleet) -> None:
    (fleet.folder / "fail-retire").touch()
    fleet("deploy", "-v", "2", code=2)
    hold(fleet, "app-1")
    printed = fleet("lock", "release", "--force", code=0)
    assert "may be left half done: `stagecraft deploy -e prod --abort` undoes it, `--resume` finishes it" in printed.out
    document = json.loads(fleet("lock", "release", "--json", code=0).out)
    assert document["unfinished"]["next"].startswith("`stagecraft deploy -e prod --abort`")
    assert os.path.exists(fleet.folder / "fail-retire")
