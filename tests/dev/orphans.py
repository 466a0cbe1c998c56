"""Kill `stagecraft dev` at random moments and count what is left.

`python -m tests.dev.orphans --kills 50` prints counts and ends with exit code 1 when anything was left. Each round starts a stack
whose processes have children in their group, in a session of their own, and such that ignore SIGTERM; kills the supervisor, every
third time its guardian before it; and looks for what runs in the project's folder: after the guardian's grace there must be
nothing, or where the guardian was killed too, after the next start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

from stagecraft.dev.session import GRACE
from tests.dev.stack import alive, command, environ, generic, left, python, write_project

FAMILY = """
    import signal, subprocess, sys, time
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    deaf = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    subprocess.Popen(sleep)
    subprocess.Popen({second}, start_new_session=True)
    time.sleep(600)
"""


@attrs.define
class Counts:
    """Count rounds, processes that were seen running before a kill, and those that were left after it."""

    kills: int = 0
    with_guardian: int = 0
    seen: int = 0
    orphans: int = 0


def round_of(root: Path, moment: float, guardian: bool, counts: Counts) -> None:
    """Start a stack, kill its supervisor at a moment (seconds), and count what is left."""
    process = subprocess.Popen(
        command(),
        cwd=root,
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment)
    counts.kills += 1
    counts.seen += len([pid for pid in left(root) if pid != process.pid])
    helpers = guardians(process.pid) if guardian else []
    process.send_signal(signal.SIGSTOP)
    for pid in helpers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if helpers:
        counts.with_guardian += 1
        # the next start ends them before it starts its own
        following = subprocess.Popen(
            command(), cwd=root, env=environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        before = left(root)
        assert following.stdout is not None
        for line in following.stdout:
            if "starting" in line:
                break
        counts.orphans += len([pid for pid in before if alive(pid) and pid != following.pid])
        following.send_signal(signal.SIGINT)
        following.communicate()
        following.wait()
    counts.orphans += len(left(root, GRACE + 10))


def guardians(supervisor: int) -> list[int]:
    """Return the guardians of a supervisor."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            words = Path(f"/proc/{int(name)}/cmdline").read_bytes().split(b"\0")
            if any(w.endswith(b"reaping.py") for w in words) and any(f".{supervisor}.".encode() in w for w in words):
                found.append(int(name))
    return found


def measure(kills: int, seed: int, latest: float, *, deaf: bool) -> Counts:
    """Do so many rounds, at moments up to ``latest`` seconds after the start; ``deaf`` has some ignore SIGTERM."""
    choose, counts = random.Random(seed), Counts()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_project(
            root,
            backend=generic(python(FAMILY.format(second="sleep"))),
            frontend=generic(python(FAMILY.format(second="deaf" if deaf else "sleep")), "web"),
        )
        for number in range(kills):
            round_of(root, choose.uniform(0.1, latest), number % 3 == 2, counts)
    return counts


def main() -> int:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest", type=float, default=1.5)
    given = parser.parse_args()
    counts = measure(given.kills, given.seed, given.latest, deaf=True)
    print(
        f"kills {counts.kills}, of them with the guardian {counts.with_guardian}, "
        f"processes seen before {counts.seen}, orphans {counts.orphans}"
    )
    return 1 if counts.orphans or not counts.seen else 0


if __name__ == "__main__":
    sys.exit(main())
