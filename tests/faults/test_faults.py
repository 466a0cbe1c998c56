"""A sample of the fault runs, and proof that they find what is wrong. In full: `python3 tasks.py faults`."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import durability, powercut, races, reader, report
from tests.faults.calls import Fault, missing, run
from tests.faults.subject import Subject, state_driver

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

IN_PLACE = """
import json, sys
file = sys.argv[1] + "/.stagecraft/releases.json"
content = json.load(open(file))
content["releases"].append({"id": "rel-2"})
with open(file, "w") as f:
    f.write(json.dumps(content))
"""


@pytest.mark.parametrize(("kind", "every"), [("SIGKILL", 41), ("EIO", 83), ("ENOSPC", 89)])
def test_nothing_is_lost_at_a_sample_of_calls(kind: str, every: int) -> None:
    found = list(durability.points(state_driver(), durability.FAULTS[kind], every))
    assert len(found) >= 4
    assert [p for p in found if p.unreadable or p.lost or p.unclean or p.diverged] == []


def test_nothing_is_lost_when_the_power_goes() -> None:
    """A sample of what a disk may hold after each call, judged by an independent reader and by the provider."""
    found = list(powercut.cut(state_driver(), every=20))
    assert len(found) >= 20
    assert [(step, wrong) for step, wrong, _ in found if wrong] == []


@pytest.mark.parametrize("unsynced", ["files", "folders"])
def test_a_program_that_does_not_sync_is_found_out(tmp_path: Path, unsynced: str) -> None:
    """The model must find loss where the same program leaves out its fsync calls."""
    subject = state_driver(0)
    before, steps = powercut.record(subject, tmp_path)
    folders = {".", *(s.path for s in steps if s.kind == "mkdir")}
    careless = [s for s in steps if s.kind != "sync" or (s.path in folders) == (unsynced == "files")]
    assert 5 < len(steps) - len(careless) < len(steps) / 2

    def bad() -> Iterator[str]:
        for _, said, files in powercut.replay(before, careless):
            try:
                yield from powercut.judge(subject, said, files, tmp_path / "replayed")
            except reader.Unreadable as e:
                yield str(e)

    assert next(bad(), None)


def test_two_deployers_do_not_overlap(tmp_path: Path) -> None:
    figures = races.race(tmp_path, 15, 0.0)
    assert [f for f in figures if not f.met] == []


def test_a_killed_or_stopped_holder_is_dealt_with(tmp_path: Path) -> None:
    figures = races.kill(tmp_path, 1) + races.stop(tmp_path)
    assert [f for f in figures if not f.met] == []


def test_a_file_written_in_place_is_found_out(tmp_path: Path) -> None:
    """The harness itself must fail where a program truncates its state and writes it anew."""

    def read(root: Path) -> list[str]:
        try:
            json.loads((root / ".stagecraft" / "releases.json").read_bytes())
        except ValueError as e:
            raise reader.Unreadable(str(e)) from e
        return []

    def prepare(root: Path) -> None:
        (root / ".stagecraft").mkdir()
        (root / ".stagecraft" / "releases.json").write_text('{"schema": 1, "releases": []}')

    subject = Subject(
        "in place",
        lambda root: (sys.executable, "-c", IN_PLACE, str(root)),
        prepare,
        verify=lambda root, outcome: read(root),
        converge=lambda root: [],
    )
    found = list(durability.points(subject, Fault(0)))
    assert any(p.unreadable for p in found)
    assert "write" in {p.call.name for p in found}


def test_every_call_is_seen_that_strace_sees(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not there to compare with")
    subject = state_driver()
    counted, traced = tmp_path / "counted", tmp_path / "traced"
    for root in (counted, traced):
        root.mkdir()
        subject.prepare(root)
    seen = run(subject.argv(counted), counted / ".stagecraft", cwd=counted, env=subject.environment())
    assert seen.exit_code == 0
    log = tmp_path / "log"
    names = "openat,write,fsync,rename,unlink,ftruncate,mkdir,close,flock"
    argv = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={names}", "-o", str(log), *subject.argv(traced)]
    subprocess.run(argv, check=True, cwd=traced, env=subject.environment(), capture_output=True)
    calls = [text.split(maxsplit=1)[1] for text in log.read_text().splitlines()]
    theirs = [c.partition("(")[0] for c in calls if f"{traced}/.stagecraft" in c.rpartition(" = ")[0]]
    assert [c.name for c in seen.calls] == theirs


def test_an_error_is_returned_in_place_of_the_call(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1] + '/state/new', 'w')"
    (tmp_path / "state").mkdir()
    argv = (sys.executable, "-c", script, str(tmp_path))
    outcome = run(argv, tmp_path / "state", cwd=tmp_path, env={}, fault=Fault(0, errno.ENOSPC))
    assert "No space left on device" in outcome.stderr
    assert str(outcome.hit) == "openat new"
    assert not (tmp_path / "state" / "new").exists()


def test_figures_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = report.Figure("a", 1, "calls", ">= 1", True), report.Figure("bb", 0.5, "s", "<= 0.1", False)
    assert report.finish([good, bad], str(tmp_path / "f.json")) == 1
    assert report.finish([good]) == 0
    assert "bb     0.500 s          goal <= 0.1   MISSED" in capsys.readouterr().out
    assert '"goal": "<= 0.1"' in (tmp_path / "f.json").read_text()
