"""The guard notices what a pure function must not do, however it is reached."""

from __future__ import annotations

import datetime
import os
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime as renamed
from pathlib import Path
from time import monotonic as clock
from typing import Any

import pytest
from stagecraft_hookspecs.contract.guard import Impure, pure


def _swallow() -> None:
    try:
        open("/etc/hostname")  # noqa: SIM115
    except Exception:
        return


IMPURE: dict[str, Callable[[], Any]] = {
    "open": lambda: open("/etc/hostname"),  # noqa: SIM115
    "read_text": lambda: Path("/etc/hostname").read_text(),
    "stat": lambda: Path("/etc/hostname").exists(),
    "isfile": lambda: os.path.isfile("/etc/hostname"),
    "listdir": lambda: os.listdir("/"),
    "glob": lambda: list(Path("/").glob("*")),
    "cwd": Path.cwd,
    "tempfile": tempfile.mkdtemp,
    "which": lambda: shutil.which("ls"),
    "socket": lambda: socket.create_connection(("127.0.0.1", 1)),
    "lookup": lambda: socket.getaddrinfo("localhost", 1),
    "hostname": socket.gethostname,
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "system": lambda: os.system("true"),
    "thread": lambda: threading.Thread(target=int).start(),
    "setenv": lambda: os.environ.__setitem__("A", "1"),
    "putenv": lambda: os.putenv("A", "1"),
    "getenv": lambda: os.environ.get("HOME"),
    "time": time.time,
    "clock": clock,
    "sleep": lambda: time.sleep(0),
    "now": datetime.datetime.now,
    "renamed": lambda: renamed.now(datetime.UTC),
    "today": datetime.date.today,
    "random": random.random,
    "choice": lambda: random.choice([1, 2]),
    "urandom": lambda: os.urandom(1),
    "token": secrets.token_hex,
    "uuid": uuid.uuid4,
    "pid": os.getpid,
    "swallowed": _swallow,
}


@pytest.mark.parametrize("name", IMPURE)
def test_notices(name: str) -> None:
    with pytest.raises(Impure, match="a pure function must not call "):
        pure(IMPURE[name])


def test_says_where() -> None:
    with pytest.raises(Impure, match=r"must not call open\('/etc/hostname', 'r'\) at .*test_guard\.py:\d+ in _swallow"):
        pure(_swallow)


def test_prevents_what_it_notices(tmp_path: Path) -> None:
    with pytest.raises(Impure):
        pure(lambda: (tmp_path / "made").write_text("no"))
    assert not (tmp_path / "made").exists()


def test_lets_computing_pass() -> None:
    def compute() -> str:
        import json
        import wave  # a module that nothing has imported yet: importing reads files, and is allowed

        rolled = random.Random(7).random()
        at = datetime.datetime(2025, 1, 2).isoformat()
        return json.dumps([rolled, at, wave.__name__, sorted({"b", "a"})])

    assert pure(compute) == pure(compute)


def test_what_it_raises_passes() -> None:
    with pytest.raises(ZeroDivisionError):
        pure(lambda: 1 / 0)


def test_is_off_afterwards() -> None:
    with pytest.raises(Impure):
        pure(time.time)
    assert time.time() > 0
    assert Path("/etc").exists()
