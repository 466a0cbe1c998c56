"""Run a command on this process's own streams: for shells, and for commands whose input and output people pipe."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from stagecraft_hookspecs.errors import ProviderError, ToolMissing
from stagecraft_hookspecs.values import Secret

from stagecraft.machine.process import environment

#: What ends the command and not only us.
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)


def run_attached(
    argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str | Secret] | None = None, stdin: bool = True
) -> int:
    """Run a command and return its exit code; 128 and the signal's number where one ended it.

    Ctrl-C is the command's to answer. What it prints is not scrubbed: it may be no text.

    Args:
        stdin: Whether it reads this process's standard input.

    Raises:
        ToolMissing: The executable is not there.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    try:
        process = subprocess.Popen(
            argv, cwd=cwd, env=environment(env or {}), stdin=None if stdin else subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise ProviderError(f"folder {cwd} is not there; {argv[0]} should run in it") from error
        raise ToolMissing(f"{argv[0]} is not installed", hint="install it, or put it on PATH") from error
    except OSError as error:
        raise ProviderError(f"cannot run {argv[0]}: {error.strerror}") from error
    with _signals_left_to(process):
        code = process.wait()
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _signals_left_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Hand signals on within the block; one that a terminal sends reaches the command without us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hand_on(number: int, frame: FrameType | None) -> None:
        if number in _FORWARDED:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    former = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, *_FORWARDED)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
