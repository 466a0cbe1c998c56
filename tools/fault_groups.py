"""Run the fault injections of tests/faults in full and return their counts."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.e2e import loaded
from tests.faults import calls, durability, powercut, races, report
from tests.faults.__main__ import FULL
from tests.faults.fleet import cases, matrix, table
from tests.testbed import needs
from tools.figures import Figure, NotMeasured, at_most

REQUESTS = 20_000


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


def fleet() -> list[Figure]:
    """Break deploys over three hosts at every step in every way, and judge from outside how they end."""
    for part in (needs.docker(), needs.hosts(), needs.registry()):
        if isinstance(part, needs.Missing):
            raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings hosts up (Debian, root)")
    chosen = cases.choose()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "outcomes.jsonl"
        matrix.run_all(chosen, results, jobs=2)
        outcomes = matrix.latest(results, chosen)
    print(table.of(outcomes, len(chosen)))
    ended = sum(o.verdict != "failed" for o in outcomes)
    return [
        Figure("step x fault cases over hosts", len(chosen), "cases", ">= 200", len(chosen) >= 200),
        Figure("cases that ended in an allowed state", ended, "cases", f"{len(chosen)}", ended == len(chosen)),
    ]


def load() -> list[Figure]:
    """Take a project on three hosts from release to release under a constant load of every kind, and count what users lose."""
    for part in (needs.docker(), needs.hosts()):
        if isinstance(part, needs.Missing):
            raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings hosts up (Debian, root)")
    results, done = loaded.measure(REQUESTS, "haproxy", lambda line: print(line, file=sys.stderr, flush=True))
    for line in (str(results), *done.wrong):
        print(line, file=sys.stderr)
    figures = [
        at_most(f"{name} requests lost", kind.lost, f"of {kind.sent}", 0) for name, kind in results.kinds.items()
    ]
    return [
        Figure("requests under load", results.sent, "sent", f">= {REQUESTS}", results.sent >= REQUESTS),
        *figures,
        Figure("WebSockets that were opened again", results.reconnects, "reconnects", "counted apart", True),
        at_most("commands that went otherwise than they should", len(done.wrong), f"of {len(done.done)}", 0),
    ]


def lease() -> list[Figure]:
    """Race for the lease on hosts; kill, freeze and cut off its holder; wake it again."""
    if isinstance(part := needs.hosts(), needs.Missing):
        raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings hosts up (Debian, root)")
    from tests.faults import leases

    return _figures(leases.measure())


def _figures(measured: Sequence[report.Figure]) -> list[Figure]:
    return [Figure(f.name, f.value, f.unit, f.goal, f.met) for f in measured]
