"""Interrupt deploys and rollbacks at many moments, by signal and by kill, with both runtimes; look from outside at what is left.

Whatever the moment: the page is served without a gap by the old or the new release, the lock is free at once, the next command
brings everything to an end, and nothing of a release that was undone goes on running.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tiny import Tiny, docker, make

BOTH = ["local", pytest.param("docker", marks=pytest.mark.needs("docker"))]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(params=BOTH)
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tiny]:
    """A project whose release "old" serves."""
    made = make(tmp_path / "tiny", request.param)
    try:
        made.deploy("old")
        yield made
    finally:
        made.take_down()


class Watch:
    """Ask for the page all the time, and keep every answer that was neither the old nor the new release's."""

    def __init__(self, tiny: Tiny) -> None:
        self.answers: set[str] = set()
        self.lost: list[str] = []
        self._tiny, self._stop = tiny, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self.answers.add(self._tiny.serves())
            except OSError as error:
                self.lost.append(str(error))


def outcomes(tiny: Tiny) -> list[str]:
    """Return what became of each release, newest first."""
    return [line.split()[3] for line in tiny("releases", "list").out.splitlines()[1:]]


def pause(tiny: Tiny, hook: str) -> Path:
    """Make a run stop at a hook for a while; return the file that says that it is there."""
    folder = tiny.folder / ".stagecraft/hooks"
    folder.mkdir(exist_ok=True)
    script = folder / hook
    script.write_text('#!/bin/sh\ntouch "$PWD/here"\nexec sleep 20\n')
    script.chmod(0o755)
    return tiny.folder / "here"


def until(path: Path, process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < ends
        time.sleep(0.01)


def leftovers(tiny: Tiny) -> list[str]:
    """Return processes that the command started and left: hooks, builds, healthchecks' shells."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")) == tiny.folder.resolve():
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found += [] if "stagecraft_process" in words else [words]
        except OSError:
            continue
    return found


MOMENTS = ["build-before", "migrate_pre-before", "rollout-before", "rollout-after"]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_undoes_the_deploy(tiny: Tiny, moment: str, number: signal.Signals) -> None:
    before = tiny.instances()
    (tiny.folder / "web/version.txt").write_text("new")
    here = pause(tiny, moment)
    with Watch(tiny) as watch:
        process = tiny.start("deploy", "-v", "new")
        until(here, process)
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait(30)
        assert time.monotonic() - began < 10
    said = process.stdout.read() if process.stdout else ""
    assert code == 130, said
    assert f"error: interrupted by {number.name}" in said
    assert "Traceback" not in said
    assert tiny.serves() == "old"
    if tiny.environment == "local":
        assert watch.lost == [], "nobody noticed"
    if moment != "rollout-after":
        assert tiny.instances() == before
    assert tiny("lock", "status").out.endswith("is free\n")
    assert outcomes(tiny)[:2] == ["undone", "serving"]
    assert leftovers(tiny) == []
    here.unlink()
    (tiny.folder / f".stagecraft/hooks/{moment}").unlink()
    tiny("deploy", "-v", "new")
    assert tiny.serves() == "new"


def test_a_signal_while_it_clears_away_leaves_the_new_release(tiny: Tiny) -> None:
    (tiny.folder / "web/version.txt").write_text("new")
    here = pause(tiny, "finalize-before")
    process = tiny.start("deploy", "-v", "new")
    until(here, process)
    process.terminate()
    assert process.wait(30) == 130
    assert tiny.serves() == "new"
    (tiny.folder / ".stagecraft/hooks/finalize-before").unlink()
    tiny("deploy", "--resume")
    assert outcomes(tiny) == ["serving", "complete"]
    assert tiny.serves() == "new"


@pytest.mark.parametrize("after", ["deploy", "--resume", "--abort"])
@pytest.mark.parametrize("moment", [*MOMENTS, "finalize-before"])
def test_a_killed_deploy_is_brought_to_an_end(tiny: Tiny, moment: str, after: str) -> None:
    (tiny.folder / "web/version.txt").write_text("new")
    here = pause(tiny, moment)
    process = tiny.start("deploy", "-v", "new")
    until(here, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert tiny("lock", "status").out.endswith("is free\n"), "at once"
    assert tiny.serves() in ("old", "new")
    assert outcomes(tiny)[0] == "interrupted"
    (tiny.folder / f".stagecraft/hooks/{moment}").unlink()
    tiny("deploy", *(["-v", "new"] if after == "deploy" else [after]))
    # a release that was about to clear away serves already: aborting it puts the old one back all the same
    assert tiny.serves() == ("old" if after == "--abort" else "new")
    newest = outcomes(tiny)[0]
    assert newest == ("undone" if after == "--abort" else "serving")
    if tiny.environment == "local":
        assert len(tiny.instances()) == 1
    tiny("status")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("moment", ["rollout-before", "rollout-after"])
def test_an_interrupted_rollback(tiny: Tiny, moment: str, number: signal.Signals) -> None:
    tiny.deploy("new")
    here = pause(tiny, moment)
    process = tiny.start("rollback")
    until(here, process)
    process.send_signal(number)
    assert process.wait(30) == (130 if number is signal.SIGTERM else -signal.SIGKILL)
    (tiny.folder / f".stagecraft/hooks/{moment}").unlink()
    if number is signal.SIGTERM:
        assert tiny.serves() == "new"
        assert outcomes(tiny)[0] == "undone"
    assert tiny("lock", "status").out.endswith("is free\n")
    tiny("rollback")
    assert tiny.serves() == "old"
    assert outcomes(tiny)[0] == "serving"


def test_the_second_signal_leaves_it_half_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny", "local")
    try:
        tiny.deploy("old")
        (tiny.folder / "web/version.txt").write_text("new")
        hooks = (
            "import time\nfrom stagecraft_hookspecs import hookimpl\n"
            "@hookimpl(wrapper=True)\ndef stagecraft_rollout(phase, ctx):\n"
            "    result = yield\n    open('here', 'w').close()\n    ctx.sleep(30)\n    return result\n"
        )
        (tiny.folder / "stagecraft_hooks.py").write_text(hooks)
        failed = tiny.folder / ".stagecraft/hooks/rollout-failed"
        failed.parent.mkdir(exist_ok=True)
        failed.write_text('#!/bin/sh\ntouch "$PWD/failed"\nsleep 2\n')
        failed.chmod(0o755)
        process = tiny.start("deploy", "-v", "new")
        until(tiny.folder / "here", process)
        process.send_signal(signal.SIGINT)
        until(tiny.folder / "failed", process)
        assert process.wait(30) == 130
        assert tiny.serves() == "old"
        (tiny.folder / "stagecraft_hooks.py").unlink()
        tiny("deploy", "--abort")
        assert tiny.serves() == "old"
        assert outcomes(tiny)[1] == "serving"
    finally:
        tiny.take_down()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0])
def test_killed_after_any_while(tmp_path: Path, delay: float) -> None:
    tiny = make(tmp_path / "tiny", "local")
    try:
        tiny.deploy("old")
        (tiny.folder / "web/version.txt").write_text("new")
        with Watch(tiny) as watch:
            process = tiny.start("deploy", "-v", "new")
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert tiny.serves() in ("old", "new")
            assert tiny("lock", "status").out == "local is free\n"
            tiny("deploy", "--abort")
            tiny("deploy", "-v", "new")
        assert tiny.serves() == "new"
        assert watch.lost == []
        assert watch.answers <= {"old", "new"}
        assert len(tiny.instances()) == 1
    finally:
        tiny.take_down()


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
def test_signalled_after_any_while(tmp_path: Path, delay: float) -> None:
    tiny = make(tmp_path / "tiny", "local")
    try:
        tiny.deploy("old")
        (tiny.folder / "web/version.txt").write_text("new")
        process = tiny.start("deploy", "-v", "new")
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert process.returncode in (0, 130, -signal.SIGINT), said
        assert "Traceback" not in said or delay < 0.1, said  # Python itself was still starting
        assert tiny.serves() == ("new" if outcomes(tiny)[0] != "undone" and len(outcomes(tiny)) > 1 else "old")
        assert tiny("lock", "status").out == "local is free\n"
        tiny("deploy", "-v", "new")
        assert tiny.serves() == "new"
    finally:
        tiny.take_down()


@pytest.mark.needs("docker")
def test_no_container_of_an_undone_release_is_left(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny", "docker")
    try:
        tiny.deploy("old")
        before = tiny.instances()
        (tiny.folder / "web/version.txt").write_text("new")
        here = pause(tiny, "rollout-after")
        process = tiny.start("deploy", "-v", "new")
        until(here, process)
        process.terminate()
        assert process.wait(30) == 130
        assert len(tiny.instances()) == len(before) == 1
        everything = docker("ps", "-a", "-q", "--filter", f"label=io.stagecraft.project={tiny.name}").split()
        assert len(everything) == 1
    finally:
        tiny.take_down()
