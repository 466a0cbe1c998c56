"""Kill a command at every system call that touches its state, and fail each of them; count what is lost.

``python -m tests.faults.durability [--subject NAME]... [--every N] [--json FILE]``. Exits 1 where a count misses its goal.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import queue
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from tests.faults import guestbook, reader, report
from tests.faults.calls import SERIOUS, Call, Fault, Outcome, missing, run, scratch
from tests.faults.subject import Subject, state_driver

#: What happens at a point: its name, the errno (0: SIGKILL), whether it lasts.
FAULTS = {"SIGKILL": Fault(0), "EIO": Fault(0, errno.EIO), "ENOSPC": Fault(0, errno.ENOSPC, lasting=True)}
SUBJECTS: dict[str, Callable[[], Subject]] = {
    "state": state_driver,
    "deploy": guestbook.deploy_subject,
    "rollback": guestbook.rollback_subject,
}


@attrs.frozen
class Point:
    """Say what a fault at one call led to; every list is empty where all is well."""

    index: int
    call: Call
    unreadable: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unclean: tuple[str, ...] = ()
    diverged: tuple[str, ...] = ()


class Roots:
    """Lend roots to run in; one with which nothing is wrong is lent again."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.free: queue.SimpleQueue[tuple[Path, int]] = queue.SimpleQueue()

    def take(self) -> tuple[Path, int]:
        """Return a prepared root and for how many faults it was used."""
        with contextlib.suppress(queue.Empty):
            return self.free.get_nowait()
        root = Path(tempfile.mkdtemp(prefix="stagecraft-fault-", dir=scratch())).resolve()
        self.subject.prepare(root)
        return root, 0

    def give(self, root: Path, used: int, sound: bool) -> None:
        """Take a root back."""
        if sound and used < self.subject.reuse:
            self.free.put((root, used))
        else:
            self.subject.cleanup(root)
            shutil.rmtree(root, ignore_errors=True)

    def close(self) -> None:
        """Clear away what is left."""
        while not self.free.empty():
            self.give(self.free.get()[0], 0, sound=False)


def check(subject: Subject, roots: Roots, fault: Fault) -> Point | None:
    """Run the subject with a fault and judge what is left; None where the run ended before the fault's call."""
    root, used = roots.take()
    sound = False
    try:
        subject.ready(root)
        outcome = run(
            subject.argv(root),
            root / subject.state,
            cwd=root,
            env=subject.environment(),
            fault=fault,
            ignore=subject.ignore,
            timeout=subject.timeout,
        )
        if outcome.hit is None:
            return None
        point = Point(fault.at, outcome.hit, unclean=tuple(manners(outcome, fault)))
        try:
            point = attrs.evolve(point, lost=tuple(subject.verify(root, outcome)))
        except reader.Unreadable as e:
            point = attrs.evolve(point, unreadable=(str(e),))
        try:
            point = attrs.evolve(point, diverged=tuple(subject.converge(root)))
        except reader.Unreadable as e:
            point = attrs.evolve(point, diverged=(str(e),))
        sound = not (point.unreadable or point.lost or point.diverged)
        return point
    finally:
        roots.give(root, used + 1, sound)


def manners(outcome: Outcome, fault: Fault) -> Iterator[str]:
    """Yield what is wrong with how the command ended: a failed call is one clear error with a next step, or harmless."""
    if not fault.error:
        if outcome.exit_code != -9:
            yield f"it ended with {outcome.exit_code} instead of being killed"
        return
    assert outcome.hit is not None
    if not outcome.exit_code and outcome.hit.name in SERIOUS:
        yield "it took no notice and ended with 0"
    elif "Traceback" in outcome.stderr:
        yield f"traceback: {outcome.stderr.strip().splitlines()[-1]}"
    elif outcome.exit_code not in (0, 1, 2):
        yield f"exit code {outcome.exit_code}"
    elif outcome.exit_code and not ("error: " in outcome.stderr and "hint: " in outcome.stderr):
        yield f"no error with a hint: {outcome.stderr.strip()!r}"


def points(subject: Subject, kind: Fault, every: int = 1, jobs: int = 1) -> Iterator[Point]:
    """Yield what a fault led to at each ``every``-th call, until a run is over before its fault."""
    roots = Roots(subject)
    with contextlib.closing(roots), ThreadPoolExecutor(jobs) as pool:
        start = 0
        while True:
            # several each, so that no thread waits for another; those behind the end are run in vain
            wanted = range(start, start + every * (jobs * 4 if jobs > 1 else 1), every)
            found = list(pool.map(lambda at: check(subject, roots, attrs.evolve(kind, at=at)), wanted))
            yield from (point for point in found if point is not None)
            if None in found:
                return
            start = wanted.stop


def judge(subject: Subject, kinds: dict[str, Fault], every: int, jobs: int) -> list[report.Figure]:
    """Go through all kinds of fault, print what is wrong as it is found, and return the counts."""
    figures = []
    for kind, fault in kinds.items():
        begun, count, bad, calls = time.monotonic(), 0, Counter[str](), Counter[str]()
        for point in points(subject, fault, every, jobs):
            count += 1
            calls[point.call.name] += 1
            for what in ("unreadable", "lost", "unclean", "diverged"):
                lines = getattr(point, what)
                bad[what] += bool(lines)
                for line in lines:
                    print(
                        f"{subject.name}: {kind} at call {point.index} ({point.call}): {what}: {line.splitlines()[0]}",
                        flush=True,
                    )
        seconds = time.monotonic() - begun
        each = ", ".join(f"{n} {name}" for name, n in sorted(calls.items()))
        print(
            f"{subject.name}: {kind} at {count} calls in {seconds:.0f} s ({seconds / max(1, count):.2f} s each): {each}"
        )
        prefix = f"state.{subject.name}.{kind.lower()}"
        figures.append(report.Figure(f"{prefix}.points", count, "calls", goal=">= 1", met=count >= 1))
        names = {"unreadable": "states", "lost": "points", "unclean": "runs", "diverged": "next runs"}
        for what, unit in names.items():
            figures.append(report.Figure(f"{prefix}.{what}", bad[what], unit, goal="0", met=not bad[what]))
    return figures


def main(argv: list[str] | None = None) -> int:
    """Print the counts; return 1 where one misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.durability", description=__doc__)
    parser.add_argument("--subject", action="append", choices=sorted(SUBJECTS), help="default: all")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each N-th call")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    options = parser.parse_args(argv)
    if reason := missing():
        print(f"error: {reason}\nhint: run this on Linux, outside a sandbox that forbids seccomp", file=sys.stderr)
        return 1
    names, kinds = options.subject or sorted(SUBJECTS), options.fault or sorted(FAULTS)
    return report.finish(measure(names, kinds, options.every, options.jobs), options.json)


def measure(subjects: Iterable[str], kinds: Iterable[str], every: int = 1, jobs: int = 1) -> list[report.Figure]:
    """Put subjects to the faults of each kind, by name; return the counts."""
    chosen = {kind: FAULTS[kind] for kind in kinds}
    return [figure for name in subjects for figure in judge(SUBJECTS[name](), chosen, every, jobs)]


if __name__ == "__main__":
    sys.exit(main())
