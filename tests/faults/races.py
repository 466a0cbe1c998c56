"""Let deployers race for one environment, and kill or stop the one that holds it.

``python -m tests.faults.races [--races N] [--kills N] [--json FILE]``. Exits 1 where a count misses its goal.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults import contender, reader, report

HOLD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from stagecraft_hookspecs.state import Holder
from stagecraft_local.state import Local
ctx = SimpleNamespace(root=Path(sys.argv[1]), environment="prod", sleep=time.sleep, monotonic=time.monotonic)
with Local().lock(ctx, Holder("holder@race", "deploy"), 10):
    print("held", flush=True)
    time.sleep(3600)
"""


@contextmanager
def process(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program with its first line of output awaited; end it afterwards."""
    with subprocess.Popen([sys.executable, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            line(started)
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert started.stdout is not None
    return started.stdout.readline().strip()


def tell(started: subprocess.Popen[str], text: str) -> None:
    """Write a line to a process."""
    assert started.stdin is not None
    started.stdin.write(text + "\n")
    started.stdin.flush()


def race(root: Path, races: int, wait: float, deployers: int = 2) -> list[report.Figure]:
    """Let ``deployers`` processes go for the lock at the same moment, ``races`` times over."""
    answers: list[list[str]] = []
    with ExitStack() as stack:
        names = [chr(ord("a") + i) for i in range(deployers)]
        runners = [stack.enter_context(process(contender.__file__, str(root), n, str(wait))) for n in names]
        for _ in range(races):
            moment = time.monotonic() + 0.01
            for runner in runners:
                tell(runner, repr(moment))
            answers.append([line(runner) for runner in runners])
    inside = [[tuple(map(float, a.split()[1:3])) for a in row if a.startswith("in ")] for row in answers]
    spans = sorted(span for row in inside for span in row)
    canary = sum(a == "overlap" for row in answers for a in row)
    timeline = sum(later[0] < former[1] for former, later in itertools.pairwise(spans))
    broken = sum(not a.startswith(("in ", "refused", "overlap")) for row in answers for a in row)
    starved = sum(not row for row in inside)
    kept = reader.read(root / ".stagecraft").releases
    serials = [row["serial"] for row in kept.values()]
    prefix = f"races.{deployers}-deployers.{'wait' if wait else 'refuse'}"
    lost = len(spans) - len(kept)
    return [
        report.Figure(f"{prefix}.races", len(answers), "races", f">= {races}", len(answers) >= races),
        report.Figure(f"{prefix}.entered", len(spans), "times", f">= {races}", len(spans) >= races),
        report.Figure(f"{prefix}.overlaps-by-canary", canary, "overlaps", "0", canary == 0),
        report.Figure(f"{prefix}.overlaps-by-timeline", timeline, "overlaps", "0", timeline == 0),
        report.Figure(f"{prefix}.nobody-entered", starved, "races", "0", starved == 0),
        report.Figure(f"{prefix}.broken", broken, "answers", "0", broken == 0),
        report.Figure(f"{prefix}.lost-releases", lost, "releases", "0", lost == 0),
        report.Figure(
            f"{prefix}.serials-used-twice",
            len(serials) - len(set(serials)),
            "serials",
            "0",
            len(set(serials)) == len(serials),
        ),
    ]


def kill(root: Path, kills: int) -> list[report.Figure]:
    """Kill -9 the holder while another waits; measure until the other is inside."""
    seconds = []
    for _ in range(kills):
        with process("-c", HOLD, str(root)) as holder, process(contender.__file__, str(root), "z", "30") as waiting:
            tell(waiting, "0")
            time.sleep(0.15)
            begun = time.monotonic()
            holder.kill()
            answer = line(waiting)
            seconds.append(float(answer.split()[1]) - begun if answer.startswith("in ") else float("inf"))
    worst = max(seconds, default=float("inf"))
    return [
        report.Figure("races.kill-9.kills", len(seconds), "kills", f">= {kills}", len(seconds) >= kills),
        report.Figure("races.kill-9.lock-free-after", worst, "s (worst)", "<= 1", worst <= 1),
    ]


def stop(root: Path) -> list[report.Figure]:
    """Stop the holder: nobody gets in, for it would go on when continued; once it is killed, somebody does."""
    with process("-c", HOLD, str(root)) as holder, process(contender.__file__, str(root), "y", "0.5") as other:
        holder.send_signal(signal.SIGSTOP)
        tell(other, "0")
        entered = line(other) != "refused"
        holder.kill()
        tell(other, "0")
        freed = line(other).startswith("in ")
    return [
        report.Figure("races.sigstop.entered-while-stopped", int(entered), "times", "0", not entered),
        report.Figure("races.sigstop.entered-after-kill", int(freed), "times", "1", freed),
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the counts; return 1 where one misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.races", description=__doc__)
    parser.add_argument("--races", type=int, default=200, metavar="N")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    options = parser.parse_args(argv)
    return report.finish(measure(options.races, options.kills), options.json)


def measure(races: int = 200, kills: int = 20) -> list[report.Figure]:
    """Race two by two, refused and waiting, then in a crowd; then kill and stop the holder. Return the counts."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="stagecraft-races-") as temporary:
        for name, wait, deployers in (("refuse", 0.0, 2), ("wait", 30.0, 2), ("crowd", 30.0, 8)):
            root = Path(temporary).resolve() / name
            root.mkdir()
            figures += race(root, races if deployers == 2 else max(1, races // 10), wait, deployers)
        figures += kill(Path(temporary).resolve(), kills)
        figures += stop(Path(temporary).resolve())
    return figures


if __name__ == "__main__":
    sys.exit(main())
