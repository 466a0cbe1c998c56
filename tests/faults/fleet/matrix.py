"""Run many cases on fleets of their own, side by side, and keep each outcome as it comes."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from tests.testbed import handles, images
from tests.testbed.hosts import Spec
from tests.testbed.layout import Layout, TestbedError
from tests.testbed.needs import HOSTS
from tests.testbed.registry import from_environment

from .cases import Case
from .outcome import Outcome
from .run import renew, run
from .site import Site

FIRST = 120
"""The number of the first host; each fleet has three of its own with a disk that can be filled."""
DISK = "loop:1500M"
IMAGES = ("app:1", "haproxy:3.0")
STATES = ("local", "hosts")


def run_all(chosen: Sequence[Case], results: Path, jobs: int, *, again: bool = False, seconds: float = 0.0) -> None:
    """Run the cases that have no outcome yet (`again`: nor a good one) and add their outcomes to a file.

    Args:
        jobs: How many fleets work at the same time; every second one keeps its history on the hosts.
        seconds: Begin no case later than this; 0 for no end.
    """
    done = {o.case for o in latest(results, chosen) if not (again and o.verdict == "failed")}
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in chosen:
        if case.id not in done:
            waiting.put(case)
    ends = time.monotonic() + seconds if seconds else float("inf")
    lock = threading.Lock()

    def keep(outcome: Outcome) -> None:
        with lock, results.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        said = f" ({outcome.why[:160]})" if outcome.why else ""
        print(f"{outcome.verdict:7} {outcome.seconds:6.1f} s  {outcome.case}{said}", file=sys.stderr, flush=True)

    def work(number: int) -> None:
        with fleet(number) as site:
            turn = 0
            good = False
            while time.monotonic() < ends:
                try:
                    case = waiting.get_nowait()
                except queue.Empty:
                    return
                turn += 2
                # another laptop goes on from what this one did only where both see the same history
                state = "hosts" if case.fault == "overtaken" else STATES[number % 2]
                if site.state != state:
                    site, good = replace(site, state=state), False
                if not good:
                    try:
                        renew(site, f"v{turn - 1}")
                    except Exception as error:
                        keep(Outcome(case.id, why=f"harness: no fleet: {error}"))
                        continue
                outcome = run(case, site, turn)
                keep(outcome)
                good = outcome.verdict != "failed"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(min(jobs, max(1, waiting.qsize())))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def fleet(number: int) -> Iterator[Site]:
    """Bring up a fleet of three hosts with disks of their own, and yield a site on it; it goes afterwards."""
    layout = Layout(Path(os.environ[HOSTS]))
    specs = [Spec(FIRST + 3 * number + each, disk=DISK) for each in range(3)]
    # held until this process ends: a second run on the same hosts would spoil both
    mine = (layout.root / f"fault-fleet-{number}.lock").open("w")
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TestbedError("another run has these hosts", "wait for it, or end it") from error
    images.ensure(*IMAGES)
    hosts = handles.bring_up(layout, *specs)
    try:
        for host in hosts:
            images.put(host, *IMAGES)
        token = from_environment(layout, dict(os.environ))[1].password
        with tempfile.TemporaryDirectory(prefix="fleet-faults-") as folder:
            name, state = f"fleet{number}", STATES[number % 2]
            made = Site(Path(folder) / "project", hosts, {"FAULT_TOKEN": token}, name, state)
            for path in (made.folder, made.temporary):
                path.mkdir()
            yield made
    finally:
        handles.take_down(*hosts)
        mine.close()


def latest(results: Path, chosen: Sequence[Case]) -> list[Outcome]:
    """Return the last outcome of each chosen case that has one, in their order."""
    known: dict[str, Outcome] = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        outcome = Outcome(**json.loads(line))
        known[outcome.case] = outcome
    return [known[case.id] for case in chosen if case.id in known]
