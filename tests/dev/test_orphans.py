"""A supervisor that is killed leaves nothing running. The whole measurement is `python -m tests.dev.orphans`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.dev.orphans import guardians, measure
from tests.dev.stack import SLEEPER, alive, generic, left, python, running, write_project


def test_a_sample_of_kills_leaves_no_orphan() -> None:
    counts = measure(kills=3, seed=7, latest=2.5, deaf=False)
    assert counts.kills == 3 and counts.seen
    assert counts.orphans == 0


def test_the_guardian_ends_what_a_killed_supervisor_leaves(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    with running(tmp_path) as stack:
        stack.until("asleep as")
        pid = stack.pid("backend")
        stack.process.kill()
        stack.process.wait()
        assert left(tmp_path, 10) == [] and not alive(pid)


def test_the_next_start_ends_what_is_left_when_the_guardian_was_killed_too(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    with running(tmp_path) as stack:
        stack.until("asleep as")
        pid = stack.pid("backend")
        (helper,) = guardians(stack.process.pid)
        stack.process.send_signal(signal.SIGSTOP)
        os.kill(helper, signal.SIGKILL)
        stack.process.kill()
        stack.process.wait()
    assert alive(pid), "nobody is there to end it"
    with running(tmp_path) as stack:
        assert stack.until("ending what a former session has left").endswith(f": {pid}")
        stack.until("asleep as")
        assert not alive(pid)


def test_the_guardian_goes_with_an_orderly_end(tmp_path: Path) -> None:
    write_project(tmp_path, backend=generic(python(SLEEPER)))
    with running(tmp_path) as stack:
        stack.until("asleep as")
        helpers = guardians(stack.process.pid)
        assert len(helpers) == 1
        assert stack.end() == 130
        deadline = time.monotonic() + 10
        while any(map(alive, helpers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, helpers))
