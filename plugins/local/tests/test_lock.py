"""One run per environment, held by a process and freed by its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import Interrupted, LockHeld, ProviderError, Refused
from stagecraft_hookspecs.state import Holder
from stagecraft_local import takeover
from stagecraft_local.state import Local

ALICE = Holder("alice@laptop", "deploy")
BOB = Holder("bob@desk", "rollback")
HOLD = """
import signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from stagecraft_hookspecs.state import Holder
from stagecraft_local.state import Local
ctx = SimpleNamespace(root=Path(sys.argv[1]), environment=sys.argv[2], sleep=time.sleep, monotonic=time.monotonic)
if sys.argv[3:] == ["deaf"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with Local().lock(ctx, Holder("carol@ci", "deploy")):
    print("held", flush=True)
    sys.stdin.read()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that holds an environment's lock until its standard input ends."""
    begun: list[subprocess.Popen[str]] = []

    def begin(environment: str = "prod", *how: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", HOLD, str(tmp_path), environment, *how]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def test_the_holder_is_known_while_the_lock_is_held_and_not_after(state: Local, ctx: Any) -> None:
    with state.lock(ctx, ALICE) as lease:
        assert lease.alive()
        seen = state.holder(ctx)
        assert seen == lease.holder
        assert seen is not None
        assert (seen.who, seen.command, seen.pid, seen.host) == (
            "alice@laptop",
            "deploy",
            os.getpid(),
            os.uname().nodename,
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", seen.since)
    assert not lease.alive()
    assert state.holder(ctx) is None


def test_a_second_run_is_refused_and_told_by_whom(state: Local, ctx: Any, start: Start) -> None:
    process = start()
    before = time.monotonic()
    with pytest.raises(LockHeld) as e, state.lock(ctx, BOB):
        pass
    assert time.monotonic() - before < 1
    text = rf"prod is locked by carol@ci since \d\d:\d\d \(deploy, pid {process.pid}\)"
    assert re.fullmatch(text, e.value.message)
    assert "--wait" in e.value.hint and "stagecraft lock status" in e.value.hint


def test_a_run_on_another_machine_and_day_is_described_so(state: Local, ctx: Any, context: Any) -> None:
    far = Holder("dave@build", "deploy", since="2024-02-03T10:32:00+00:00", pid=7, host="build.example.com")
    quick = context(sleep=lambda s: None)
    with state.lock(ctx, far), pytest.raises(LockHeld) as e, state.lock(quick, BOB):
        pass
    assert re.search(r"since 2024-02-0[234] \d\d:\d\d \(deploy, pid 7 on build\.example\.com\)$", e.value.message)


def test_environments_do_not_block_each_other(state: Local, context: Any, start: Start) -> None:
    start("prod")
    with state.lock(context(environment="staging"), BOB) as lease:
        assert lease.alive()


def test_waiting_gets_the_lock_when_it_is_given_back(state: Local, ctx: Any, start: Start) -> None:
    process = start()
    assert process.stdin is not None
    threading.Timer(0.3, process.stdin.close).start()
    with state.lock(ctx, BOB, wait=10) as lease:
        assert lease.alive()


def test_waiting_ends_at_its_deadline(state: Local, ctx: Any, start: Start) -> None:
    start()
    before = time.monotonic()
    with pytest.raises(LockHeld), state.lock(ctx, BOB, wait=0.5):
        pass
    assert 0.5 <= time.monotonic() - before < 1.5


def test_waiting_can_be_interrupted(state: Local, context: Any, start: Start) -> None:
    start()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 5:
            raise Interrupted("interrupted")

    with pytest.raises(Interrupted), state.lock(context(sleep=sleep), BOB, wait=3600):
        pass
    assert max(slept) <= 0.1


def test_a_killed_holder_frees_the_lock_at_once_and_is_not_shown(state: Local, ctx: Any, start: Start) -> None:
    process = start()
    assert state.holder(ctx) is not None
    process.kill()
    process.wait()
    assert state.holder(ctx) is None, "what it left in the file is not believed"
    with state.lock(ctx, BOB) as lease:
        assert state.holder(ctx) == lease.holder


def test_a_stopped_holder_keeps_the_lock(state: Local, ctx: Any, start: Start) -> None:
    """A stopped process would go on changing things when it is continued, so its lock is not taken away."""
    process = start()
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(LockHeld, match="carol@ci"), state.lock(ctx, BOB, wait=0.3):
            pass
    finally:
        process.send_signal(signal.SIGCONT)


def test_children_do_not_keep_the_lock(state: Local, ctx: Any) -> None:
    """A supervisor that outlives the deploy must not hold its lock, whether it was executed or only forked."""
    with state.lock(ctx, ALICE) as lease:
        executed = subprocess.Popen(["sleep", "30"])
        forked = os.fork()
        if not forked:
            os._exit(0 if not lease.alive() and not time.sleep(1) else 1)
    try:
        with state.lock(ctx, BOB) as again:
            assert again.alive()
    finally:
        executed.kill()
        executed.wait()
        assert os.waitpid(forked, 0)[1] == 0


def test_a_command_started_by_the_holder_is_told_so_and_does_not_wait(state: Local, ctx: Any, tmp_path: Path) -> None:
    """A hook script of a deploy that calls deploy again would otherwise wait for its own parent."""
    with state.lock(ctx, ALICE):
        script = HOLD.replace('"deploy"))', '"deploy"), wait=60)')
        argv = ["sh", "-c", f'"{sys.executable}" -c "$0" "$1" prod; true', script, str(tmp_path)]
        before = time.monotonic()
        result = subprocess.run(argv, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False)
    assert time.monotonic() - before < 10
    assert f"(deploy, pid {os.getpid()}), the run that started this command" in result.stderr


def test_a_run_does_not_wait_for_itself(state: Local, ctx: Any) -> None:
    with state.lock(ctx, ALICE), pytest.raises(LockHeld, match="this very run"), state.lock(ctx, BOB, wait=60):
        pass


def test_a_removed_lock_file_ends_the_lease(state: Local, ctx: Any, tmp_path: Path) -> None:
    import shutil

    with state.lock(ctx, ALICE) as lease:
        shutil.rmtree(tmp_path / ".stagecraft")
        assert not lease.alive()
        with state.lock(ctx, BOB) as other:
            assert other.alive()
            assert not lease.alive()


def test_looking_never_refuses_a_run(state: Local, ctx: Any) -> None:
    """Ask for the holder without a pause while another takes and gives back the lock."""
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            Local().holder(ctx)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for w in watchers:
        w.start()
    try:
        for _ in range(20):
            with state.lock(ctx, ALICE):
                pass
    finally:
        stop.set()
        for w in watchers:
            w.join()


def test_an_error_inside_frees_the_lock(state: Local, ctx: Any) -> None:
    with pytest.raises(ZeroDivisionError), state.lock(ctx, ALICE):
        raise ZeroDivisionError
    assert state.holder(ctx) is None
    with state.lock(ctx, BOB):
        pass


def test_a_filesystem_without_locks_is_named(state: Local, ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What flock says on NFS without a lock daemon; no such mount is at hand, so the call itself is replaced."""
    import errno
    import fcntl

    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    text = r"cannot lock \.stagecraft/locks/prod\.lock: no locks available"
    with pytest.raises(ProviderError, match=text) as e, state.lock(ctx, ALICE):
        pass
    assert "local disk" in e.value.hint


def test_a_lock_is_taken_from_its_holder_by_ending_it(state: Local, ctx: Any, start: Start) -> None:
    assert state.release(ctx) is None
    process = start()
    taken = state.release(ctx)
    assert taken is not None
    assert (taken.who, taken.pid) == ("carol@ci", process.pid)
    assert process.wait(10) == -signal.SIGTERM
    with state.lock(ctx, BOB) as lease:
        assert lease.alive()


def test_a_holder_that_does_not_listen_is_killed(
    state: Local, ctx: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "ASKED", 0.2)
    process = start("prod", "deaf")
    assert state.release(ctx) is not None
    assert process.wait(10) == -signal.SIGKILL
    assert state.holder(ctx) is None


def test_a_lock_is_not_taken_from_another_machine_nor_from_oneself(state: Local, ctx: Any) -> None:
    with state.lock(ctx, Holder("dave@build", "deploy", pid=7, host="build.example.com")):
        with pytest.raises(Refused, match=r"is not on this machine but on build\.example\.com") as caught:
            state.release(ctx)
        assert caught.value.hint.startswith("end process 7 there")
    with state.lock(ctx, ALICE), pytest.raises(Refused, match="started this command"):
        state.release(ctx)
