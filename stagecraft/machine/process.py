"""Run one process to its end: both streams read as they come, a deadline, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from stagecraft_hookspecs.errors import ProviderError, TimedOut, ToolMissing
from stagecraft_hookspecs.values import Command, Result, Secret

from stagecraft.machine.scope import Scope

#: Seconds between SIGTERM and SIGKILL for a process group that is to end.
GRACE = 3.0
_POLL = 0.1
_CHUNK = 1 << 16


def run(command: Command, root: Path, scope: Scope, on_line: Callable[[str], None] | None = None) -> Result:
    """Run ``command`` and return its result; see ``Machine.run`` for what it raises."""
    started = time.monotonic()
    process = _start(command, root)
    output = {"stdout": bytearray(), "stderr": bytearray()}
    lines = Lines(on_line) if on_line else None
    try:
        _communicate(process, command, scope, started, output, lines)
        code = process.wait()
    except BaseException:
        end(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
    if lines:
        lines.flush()
    return Result(
        command.argv,
        code,
        output["stdout"].decode(errors="replace"),
        output["stderr"].decode(errors="replace"),
        time.monotonic() - started,
    )


def environment(extra: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return this process's environment with ``extra`` added, secrets revealed."""
    revealed = {key: value.reveal() if isinstance(value, Secret) else value for key, value in extra.items()}
    return {**os.environ, **revealed}


def end(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """End a process and its group: SIGTERM, the grace, SIGKILL."""
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if process.poll() is not None and number is signal.SIGTERM:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)


def _start(command: Command, root: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=root / command.cwd,
            env=environment(command.env),
            stdin=subprocess.PIPE if command.stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if not (root / command.cwd).is_dir():
            raise ProviderError(
                f"folder {command.cwd or root} is not there; {command.argv[0]} should run in it"
            ) from error
        raise ToolMissing(f"{command.argv[0]} is not installed", hint="install it, or put it on PATH") from error
    except OSError as error:
        raise ProviderError(f"cannot run {command.argv[0]}: {error.strerror}") from error


def _communicate(
    process: subprocess.Popen[bytes],
    command: Command,
    scope: Scope,
    started: float,
    output: dict[str, bytearray],
    lines: Lines | None,
) -> None:
    given = command.stdin.reveal().encode() if isinstance(command.stdin, Secret) else command.stdin
    pending = memoryview(given or b"")
    with selectors.DefaultSelector() as selector:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, name)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        exited = 0.0
        while selector.get_map():
            scope.check()
            now = time.monotonic()
            if command.timeout and now - started > command.timeout:
                raise TimedOut(f"{command.argv[0]} took longer than {command.timeout:g} seconds and was ended")
            if process.poll() is not None:
                # a daemon may have inherited the streams: what the process itself wrote is there by now
                exited = exited or now
                if now - exited > 1.0:
                    return
            for key, _ in selector.select(_POLL):
                ready: Any = key.fileobj
                if key.data == "stdin":
                    pending = _feed(ready, pending, selector)
                else:
                    _drain(ready, key.data, selector, output, lines)
    while process.poll() is None:
        scope.sleep(0.01)
        if command.timeout and time.monotonic() - started > command.timeout:
            raise TimedOut(f"{command.argv[0]} took longer than {command.timeout:g} seconds and was ended")


def _feed(stream: IO[bytes], pending: memoryview, selector: selectors.BaseSelector) -> memoryview:
    try:
        if pending:
            pending = pending[os.write(stream.fileno(), pending[:_CHUNK]) :]
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        pending = memoryview(b"")
    if not pending:
        selector.unregister(stream)
        with contextlib.suppress(OSError):
            stream.close()
    return pending


def _drain(
    stream: IO[bytes],
    name: str,
    selector: selectors.BaseSelector,
    output: dict[str, bytearray],
    lines: Lines | None,
) -> None:
    try:
        chunk = os.read(stream.fileno(), _CHUNK)
    except BlockingIOError:
        return
    if not chunk:
        selector.unregister(stream)
        return
    output[name] += chunk
    if lines:
        lines.feed(name, chunk)


class Lines:
    """Cut each stream into lines and hand them on as they are complete."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest: dict[str, bytes] = {}

    def feed(self, name: str, chunk: bytes) -> None:
        """Take bytes of the stream ``name``."""
        *whole, rest = (self._rest.get(name, b"") + chunk).split(b"\n")
        self._rest[name] = rest
        for line in whole:
            self._on_line(line.decode(errors="replace").rstrip("\r"))

    def flush(self) -> None:
        """Hand on what came without a newline at its end."""
        for rest in self._rest.values():
            if rest:
                self._on_line(rest.decode(errors="replace"))
        self._rest.clear()
