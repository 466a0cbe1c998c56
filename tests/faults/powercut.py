"""Cut the power after every system call of a program: replay what it did on a model of a disk, and read what may be left.

``python -m tests.faults.powercut [--json FILE]``. Exits 1 where a count misses its goal.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_local.state import Local

from tests.faults import calls, reader, report
from tests.faults.disk import Disk, Step
from tests.faults.subject import Subject, state_driver

ACKS = "acks"
_KINDS = {"fsync": "sync", "fdatasync": "sync", "mkdir": "mkdir", "unlink": "unlink", "rename": "rename"}


class Recorder(calls.Watch):
    """Write down the calls below a folder with all that is needed to do them again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None, ())
        self.steps: list[Step] = []

    def look(self, pid: int, name: str, args: list[int]) -> int | None:
        """Note the call and let it pass."""
        paths = [p for p in self.paths(pid, name, args) if p == self.folder or p.startswith(self.folder + "/")]
        if paths:
            self.steps += self.steps_of(pid, name, args, [os.path.relpath(p, self.folder) for p in paths])
        return 0

    def steps_of(self, pid: int, name: str, args: list[int], paths: list[str]) -> Iterator[Step]:
        """Yield the steps of a call; one that changes nothing on the disk has none."""
        if name in _KINDS:
            yield Step(_KINDS[name], paths[0], paths[-1])
        elif name == "openat" and args[2] & os.O_CREAT:
            yield Step("open", paths[0])
        elif name == "openat" and args[2] & os.O_TRUNC:
            yield Step("truncate", paths[0])
        elif name == "ftruncate":
            yield Step("truncate", paths[0], offset=args[1])
        elif name in ("write", "pwrite64"):
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(args[1])
                data = memory.read(args[2])
            position = args[3] if name == "pwrite64" else self.position(pid, args[0])
            yield Step("ack" if paths[0] == ACKS else "write", paths[0], data=data, offset=position)
        elif name not in ("openat", "close", "flock", "fchmod", "fchmodat", "chmod"):
            raise RuntimeError(f"the model of a disk has no {name}")

    def position(self, pid: int, fd: int) -> int:
        """Return where the next write of a descriptor goes."""
        return int(Path(f"/proc/{pid}/fdinfo/{fd}").read_text().partition("pos:")[2].split()[0])


def record(subject: Subject, root: Path) -> tuple[dict[str, bytes], list[Step]]:
    """Run a subject; return the files that were there before, and what it did."""
    subject.prepare(root)
    before = tree(root)
    recorder = Recorder(root)
    outcome = calls.run(
        subject.argv(root), root, cwd=root, env=subject.environment(), watch=recorder, output=root / ACKS
    )
    if outcome.exit_code:
        raise RuntimeError(f"{subject.name} failed: {outcome.stderr}")
    return before, recorder.steps


def replay(before: dict[str, bytes], steps: list[Step]) -> Iterator[tuple[Step, str, dict[str, bytes]]]:
    """Yield, after each step, the step, what was acknowledged until then, and each content the disk may have."""
    disk, said, seen = Disk(), "", set()
    disk.load(before)
    for step in steps:
        if step.kind == "ack":
            said += step.data.decode()
        elif step.path != ACKS:
            disk.step(step)
        for files in disk.crashes():
            key = (said, tuple(sorted(files.items())))
            if hash(key) not in seen:
                seen.add(hash(key))
                yield step, said, files


def judge(subject: Subject, said: str, files: dict[str, bytes], root: Path) -> list[str]:
    """Return what is wrong with a disk: for an independent reader, and for the provider itself."""
    write(files, root)
    wrong = subject.verify(root, calls.Outcome(0, said, "", (), None))
    ctx: Any = SimpleNamespace(root=root, environment="prod")
    try:
        for release in Local().releases(ctx):
            store = Local().open(ctx, release.id)
            store.entries()
            for name in store.names():
                store.get(name)
    except StagecraftError as e:
        wrong.append(f"the provider refuses: {e.message}")
    return wrong


def tree(root: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def write(files: dict[str, bytes], root: Path) -> None:
    """Make the files below a folder exactly these."""
    for path in [p for p in root.rglob("*") if p.is_file() and str(p.relative_to(root)) not in files]:
        path.unlink()
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def cut(subject: Subject, every: int = 1) -> Iterator[tuple[Step, list[str], bool]]:
    """Yield each ``every``-th content with its step, what is wrong with it, and whether it is unreadable."""
    with tempfile.TemporaryDirectory(prefix="stagecraft-fault-", dir=calls.scratch()) as temporary:
        one, two = Path(temporary).resolve() / "recorded", Path(temporary).resolve() / "replayed"
        one.mkdir()
        before, steps = record(subject, one)
        for number, (step, said, files) in enumerate(replay(before, steps)):
            if number % every:
                continue
            try:
                yield step, judge(subject, said, files, two), False
            except reader.Unreadable as e:
                yield step, [str(e)], True


def main(argv: list[str] | None = None) -> int:
    """Print the counts; return 1 where one misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.powercut", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    options = parser.parse_args(argv)
    if reason := calls.missing():
        print(f"error: {reason}\nhint: run this on Linux, outside a sandbox that forbids seccomp", file=sys.stderr)
        return 1
    return report.finish(measure(), options.json)


def measure() -> list[report.Figure]:
    """Cut the power during a project's first release and during a further one; return the counts."""
    figures = []
    for name, releases in (("first", 0), ("next", 1)):
        begun, count, unreadable, bad = time.monotonic(), 0, 0, 0
        for step, wrong, broken in cut(state_driver(releases)):
            count += 1
            unreadable += broken
            bad += bool(wrong) and not broken
            for text in wrong:
                print(f"{name} release: power cut after {step.kind} {step.path}: {text}", flush=True)
        print(f"{name} release: {count} disks in {time.monotonic() - begun:.0f} s", flush=True)
        figures += [
            report.Figure(f"state.powercut.{name}.disks", count, "disks", ">= 1", count >= 1),
            report.Figure(f"state.powercut.{name}.unreadable", unreadable, "disks", "0", not unreadable),
            report.Figure(f"state.powercut.{name}.lost", bad, "disks", "0", not bad),
        ]
    return figures


if __name__ == "__main__":
    sys.exit(main())
