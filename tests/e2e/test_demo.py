"""`python3 tasks.py demo` and `demo-stop`, in a folder of the test's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def call(function: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call a function of the demo with its folder, as the task does with the usual one."""
    script = f"import sys; from pathlib import Path; from tools import demo; sys.exit(demo.{function}(Path({str(folder)!r})))"
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of the processes whose working folder lies in `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_the_demo_ends_with_a_running_guestbook_and_stops(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shown = call("run_demo", folder)
    try:
        assert shown.returncode == 0, shown.stdout + shown.stderr
        commands = [line for line in shown.stdout.splitlines() if line.startswith("$ stagecraft")]
        assert commands == [
            "$ stagecraft deploy -e local -v 1",
            "$ stagecraft deploy -e local -v 2",
            "$ stagecraft rollback -e local",
            "$ stagecraft releases list -e local",
        ]
        assert re.search(r"The guestbook is running: http://127\.0\.0\.1:\d+", shown.stdout)
        assert processes_in(folder)
    finally:
        stopped = call("stop_demo", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert processes_in(folder) == []
    assert not folder.exists()
    assert call("stop_demo", folder).stdout == "No demo is running.\n"


def test_a_demo_that_fails_says_so_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    script = (
        "import sys; from pathlib import Path; from tools import demo\n"
        "demo.expect_version = lambda url, version: (_ for _ in ()).throw(demo.DemoError('the page is wrong'))\n"
        f"sys.exit(demo.run_demo(Path({str(folder)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"error: the page is wrong\nhint: the demo's files, logs among them, are in {folder}" in done.stderr
    assert processes_in(folder) == []
