"""Race for the lease on hosts, and kill, freeze and cut off who holds it; all verdicts come from the hosts, past SSH."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults import leaseholder, report
from tests.faults.races import line, process, tell
from tests.testbed import faults, handles, needs
from tests.testbed.handles import TestHost
from tests.testbed.hosts import USUAL
from tests.testbed.layout import Layout

HOME = "/home/deploy/.stagecraft/lease"
_FREE = 'cd "$1"; until flock -n lock true; do sleep 0.02; done; date +%s.%N'


def measure(races: int = 200, times: int = 10) -> list[report.Figure]:
    """Return the counts and seconds of all of it."""
    hosts = handles.open_all(Layout(Path(os.environ[needs.HOSTS])))[:USUAL]
    forget(hosts)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(hosts, Path(folder))
            return [
                *bench.races(races),
                *bench.freed("killed", times, 1.0, lambda holder: holder.kill()),
                *bench.freed("frozen", times, 15.0, lambda holder: holder.send_signal(signal.SIGSTOP)),
                *bench.cut_off(times, 15.0),
                *bench.zombies(times),
            ]
    finally:
        forget(hosts)


def forget(hosts: Sequence[TestHost]) -> None:
    """Remove what the measurements leave on hosts."""
    for host in hosts:
        host.sh(f"rm -rf {HOME}")


class Bench:
    """Start deployers and watch locks.

    Args:
        root: A folder for the deployers' records of host keys.
    """

    def __init__(self, hosts: Sequence[TestHost], root: Path) -> None:
        self.hosts, self.root = hosts, root

    @contextmanager
    def holder(self, name: str, home: str, order: str = "hold") -> Iterator[subprocess.Popen[str]]:
        """Start a deployer and give it an order."""
        where = [f"{host.name}={host.address}" for host in self.hosts]
        argv = (leaseholder.__file__, str(self.root), str(self.hosts[0].ssh_config), f"{HOME}/{home}", name, *where)
        with process(*argv) as started:
            if order:
                tell(started, order)
                if (said := line(started)) != "held":
                    raise AssertionError(f"{name} did not get the lease: {said}")
            yield started

    def races(self, races: int) -> list[report.Figure]:
        """Let two deployers go for the same hosts at the same moment."""
        answers: list[str] = []
        with self.holder("a", "race", "") as a, self.holder("b", "race", "") as b:
            for _ in range(races):
                moment = time.time() + 0.01
                for each in (a, b):
                    tell(each, f"race {moment}")
                answers += [line(a), line(b)]
        entered, overlaps = answers.count("in"), 0
        for host in self.hosts:
            trace = [row.split() for row in host.sh(f"cat {HOME}/race/trace").splitlines()]
            pairs = zip(trace[::2], trace[1::2], strict=True)
            overlaps += sum(
                first != ["in", who] or last != ["out", who] for first, last in pairs for who in (first[1],)
            )
            overlaps += abs(len(trace) - 2 * entered)
        broken = len(answers) - entered - answers.count("refused")
        return [
            report.Figure("lease.races", races, "races", f">= {races}", len(answers) == 2 * races),
            report.Figure("lease.races.entered", entered, "times", f">= {races // 2}", entered >= races // 2),
            report.Figure("lease.races.broken", broken, "answers", "0", broken == 0),
            report.Figure("lease.races.overlaps", overlaps, "overlaps", "0", overlaps == 0),
        ]

    def freed(
        self, how: str, times: int, goal: float, stop: Callable[[subprocess.Popen[str]], None]
    ) -> list[report.Figure]:
        """Stop holders, one after the other where that is quick, and measure until the last host's lock is free."""
        seconds: list[float] = []
        at_once = 1 if goal <= 1 else times
        for number in range(0, times, at_once):
            with ExitStack() as stack:
                homes = [f"{how}{number + n}" for n in range(at_once)]
                holders = [stack.enter_context(self.holder(home, home)) for home in homes]
                with self.watched(homes) as result:
                    began = time.time()
                    for holder in holders:
                        stop(holder)
                seconds += [at - began for at in result]
        return _seconds(how, seconds, times, goal)

    def cut_off(self, times: int, goal: float) -> list[report.Figure]:
        """Let every packet of holders vanish."""
        with ExitStack() as stack:
            homes = [f"cut{n}" for n in range(times)]
            for home in homes:
                stack.enter_context(self.holder(home, home))
            with self.watched(homes) as result:
                for host in self.hosts:
                    stack.enter_context(faults.dropped(host, 22))
                # cut off is who reaches none
                began = time.time()
        return _seconds("cut off", [at - began for at in result], times, goal)

    def zombies(self, times: int) -> list[report.Figure]:
        """Freeze holders until their locks are free, wake them, and have them try to change the hosts."""
        with ExitStack() as stack:
            homes = [f"zombie{n}" for n in range(times)]
            holders = [stack.enter_context(self.holder(home, home)) for home in homes]
            for host in self.hosts:
                host.sh(f"for d in {HOME}/zombie*; do touch $d/keep; done")
            with self.watched(homes):
                for holder in holders:
                    holder.send_signal(signal.SIGSTOP)
            claimed = 0
            for holder in holders:
                tell(holder, "mutate")
                holder.send_signal(signal.SIGCONT)
                claimed += int(line(holder))
        made = 0
        for host in self.hosts:
            kept, files = host.sh(
                f"ls {HOME}/zombie*/keep | wc -l; ls {HOME}/zombie*/zombie-* 2>/dev/null | wc -l"
            ).split()
            volumes = host.docker("volume", "ls", "-q", "--filter", "name=zombie").split()
            made += times - int(kept) + int(files) + len(volumes)
        return [
            report.Figure("lease.zombies", times, "zombies", f">= {times}", True),
            report.Figure("lease.zombies.claimed", claimed, "mutations", "0", claimed == 0),
            report.Figure("lease.zombies.mutations", made, "mutations", "0", made == 0),
        ]

    @contextmanager
    def watched(self, homes: Sequence[str]) -> Iterator[list[float]]:
        """Give a list that holds, after the block, when the lock of each environment was free on its last host."""
        times: dict[str, list[float]] = {home: [] for home in homes}
        result: list[float] = []

        def watch(host: TestHost, home: str) -> None:
            argv = host.enter("sh", "-c", _FREE, "sh", f"{HOME}/{home}")
            times[home].append(float(subprocess.check_output(argv, text=True, timeout=120)))

        threads = [threading.Thread(target=watch, args=(host, home)) for host in self.hosts for home in homes]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        early = any(times.values())
        yield result
        for thread in threads:
            thread.join()
        if early:
            raise AssertionError("a lock was free while its holder lived")
        result += [max(times[home]) for home in homes]


def _seconds(how: str, seconds: Sequence[float], times: int, goal: float) -> list[report.Figure]:
    name = f"lease.free-after.{how.replace(' ', '-')}"
    return [
        report.Figure(f"{name}.times", len(seconds), "times", f">= {times}", len(seconds) >= times),
        report.Figure(
            f"{name}.median",
            round(statistics.median(seconds), 2),
            "s",
            f"<= {goal:g}",
            statistics.median(seconds) <= goal,
        ),
        report.Figure(f"{name}.worst", round(max(seconds), 2), "s", f"<= {goal:g}", max(seconds) <= goal),
    ]
