"""Run the fault injections of tests/faults in full and return their counts."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.faults import calls, durability, powercut, races, report
from tests.faults.__main__ import FULL
from tools.figures import Figure, NotMeasured


def kills() -> list[Figure]:
    """Kill a deploy and a rollback at every system call that touches the state, and fail each call."""
    if reason := calls.missing():
        raise NotMeasured(f"{reason}; it runs on Linux, outside a sandbox that forbids seccomp")
    jobs = os.cpu_count() or 1
    return [f for subject, kinds, every in FULL for f in _figures(durability.measure([subject], kinds, every, jobs))]


def power_cuts() -> list[Figure]:
    """Cut the power after every write of the state that was not yet made durable."""
    return _figures(powercut.measure())


def lock_races() -> list[Figure]:
    """Let deployers race for the lock; kill and freeze its holder."""
    return _figures(races.measure())


def _figures(measured: Sequence[report.Figure]) -> list[Figure]:
    return [Figure(f.name, f.value, f.unit, f.goal, f.met) for f in measured]
