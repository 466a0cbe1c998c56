"""`stagecraft dev` in a terminal of its own, as a user has it before them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from tests.dev.stack import command, environ


class Terminal:
    """Hold a session's terminal: what was shown, what is typed."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid, self._master, self.shown = pid, master, ""

    def until(self, text: str, times: int = 1, timeout: float = 30.0) -> None:
        """Read until a text was shown so many times."""
        deadline = time.monotonic() + timeout
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} was not shown:\n{self.shown}"
            self.read(0.1)

    def read(self, seconds: float) -> bool:
        """Read what comes within a time; return whether the terminal is still open at its other end."""
        if self._master in select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return False
            self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return True

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Close the window."""
        os.close(self._master)
        self._master = -1

    def wait(self, timeout: float = 30.0) -> int:
        """Return the exit code, negative for a signal."""
        deadline = time.monotonic() + timeout
        while True:
            if self._master >= 0:
                self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self._master >= 0 and select.select([self._master], [], [], 0.1)[0] and self.read(0):
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"it does not end:\n{self.shown}"
            time.sleep(0.02)

    def end(self) -> None:
        """End what may still run."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._master >= 0:
            os.close(self._master)


@contextlib.contextmanager
def terminal(root: Path, *words: str, **env: str) -> Iterator[Terminal]:
    """Give `stagecraft dev` in a terminal."""
    plain = {k: v for k, v in environ(TERM="xterm-256color").items() if k != "NO_COLOR"}
    argv, environment = command(*words), {**plain, **env}
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(root)
        os.execve(argv[0], argv, environment)
    shown = Terminal(pid, master)
    try:
        yield shown
    finally:
        shown.end()
