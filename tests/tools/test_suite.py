"""A test run that is ended by SIGTERM lets its fixtures clean up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLOW = """
import pathlib, time, pytest

@pytest.fixture
def part():
    here = pathlib.Path(__file__).parent
    (here / "up").touch()
    yield
    (here / "down").touch()

def test_slow(part):
    time.sleep(60)
"""


def test_sigterm_ends_the_run_through_its_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    script = (
        f"import sys; from tools.suite import run_suite; sys.exit(run_suite(quick=True, only=({str(tmp_path)!r},)))"
    )
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=30) == 130
    assert (tmp_path / "down").exists()
