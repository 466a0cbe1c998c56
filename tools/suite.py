"""Run the tests, with the real parts they need brought up where that was asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tools.bootstrap import ROOT

TESTBED = "STAGECRAFT_TESTBED"
CLEANUP = 60.0
"""Seconds that an interrupted test run has for its fixtures to end what they started."""

INTERRUPTED = 130


#: Parts that only the tests on hosts need.
ON_HOSTS = frozenset({"hosts", "registry"})


def run_suite(quick: bool = False, only: tuple[str, ...] = (), match: str = "", on_hosts: str = "") -> int:
    """Run pytest; return its exit code.

    Args:
        quick: Leave out the tests that need a real part.
        on_hosts: `only`: run the tests that need hosts or a registry and no others; `none`: all but these.
        only: Files or folders; all tests if empty.
        match: pytest's `-k`.
    """
    command = [sys.executable, "-m", "pytest", *only]
    command += ["-k", match] if match else []
    command += ["-m", "not needs"] if quick else []
    command += [f"--on-hosts={on_hosts}"] if on_hosts else []
    with _sigterm_raises(), real_parts(leave=quick, without=ON_HOSTS if on_hosts == "none" else frozenset()):
        if quick or only or match or on_hosts or not os.environ.get("STAGECRAFT_TESTBED_HOSTS"):
            return _run(command)
        return _run_beside([*command, "--on-hosts=none"], [*command, "--on-hosts=only", "-p", "no:cacheprovider"])


def run_module(name: str, *arguments: str) -> int:
    """Run one of the project's modules with `python -m`; return its exit code."""
    return subprocess.run([sys.executable, "-m", name, *arguments], cwd=ROOT, check=False).returncode


@contextmanager
def real_parts(leave: bool = False, without: frozenset[str] = frozenset()) -> Iterator[None]:
    """Where `STAGECRAFT_TESTBED` asks for it, bring up what is missing, name it in `os.environ`, and take it down again.

    Args:
        leave: Bring nothing up, whatever was asked for.
        without: Parts that are not brought up.
    """
    if leave or os.environ.get(TESTBED, "") in ("", "0"):
        yield
        return
    from tests.testbed import bed
    from tests.testbed.layout import TestbedError

    already = bool(bed.environment())
    before = dict(os.environ)
    began = time.monotonic()
    try:
        parts = [part for part in _missing() if part not in without]
        os.environ.update(bed.bring_up(parts) if parts else {})
        print(f"testbed: {len(parts)} parts up in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        yield
    except TestbedError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint or 'see `python3 tasks.py testbed up`'}")
    finally:
        os.environ.clear()
        os.environ.update(before)
        if already:
            print("testbed: was up before and stays up; `python3 tasks.py testbed down` ends it", file=sys.stderr)
        else:
            bed.take_down()


def _missing() -> list[str]:
    """Return the parts of the testbed that this machine does not offer itself, with the images for its engine."""
    from tests.testbed import bed, images, needs

    ready = {name for name, found in needs.probe().items() if isinstance(found, needs.Ready)}
    parts = [part for part in bed.PARTS if part not in ready]
    return parts + (list(images.TAGS) if "docker" in parts else [])


def _run_beside(first: list[str], second: list[str]) -> int:
    """Run two commands at the same time, the second's output after the first's; return 0 if both do.

    Tests on hosts wait most of the time, and the others do not touch what they change.
    """
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen(second, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            code = _run(first)
            if code == INTERRUPTED:
                beside.send_signal(signal.SIGINT)
            beside.wait(timeout=CLEANUP if code == INTERRUPTED else None)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            code = INTERRUPTED
        finally:
            beside.kill()
            beside.wait()
        print("\ntests on hosts:", flush=True)
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.flush()
    return code or beside.returncode


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; unlike Ctrl-C, it reached this process only."""


def _run(command: list[str]) -> int:
    """Run a command; when interrupted, give it time to clean up after itself. Return its exit code."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, _Terminated):
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=CLEANUP)
        return INTERRUPTED
    finally:
        process.kill()
        process.wait()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, so that what was brought up is taken down.

    SIGINT is made to interrupt too: a shell starts background jobs with it ignored, and pytest would inherit that.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
