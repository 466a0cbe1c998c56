"""Keep a process's output in a file that is renamed when it has grown, so that the disk does not fill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

#: Bytes of one file, and how many former ones are kept beside it as ``NAME.log.1`` (the newest) and so on.
LIMIT = 10_000_000
KEPT = 3


class LogFile:
    """Append to a file of mode 0600. A session begins a new one; the former becomes ``.1``.

    Args:
        on_error: Told once, when the file cannot be written; from then on nothing is kept.
    """

    def __init__(self, path: Path, on_error: Callable[[str], None], limit: int = LIMIT, kept: int = KEPT) -> None:
        self._path, self._on_error, self._limit, self._kept = path, on_error, limit, kept
        self._descriptor, self._size = -1, 0
        self._attempt(self._open)

    def write(self, text: str) -> None:
        """Append lines; a rotation happens between two lines."""
        if self._descriptor >= 0:
            self._attempt(lambda: self._append(text.encode(errors="replace") + b"\n"))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            with contextlib.suppress(OSError):
                self.close()
            self._on_error(f"cannot keep the log {self._path.name}: {error.strerror}; the session goes on without it")

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._limit:
            self.close()
            self._open()
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            view = view[written:]
            self._size += written

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size:
            for number in range(self._kept - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._former(number).replace(self._former(number + 1))
            self._path.replace(self._former(1))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
        self._descriptor, self._size = os.open(self._path, flags, 0o600), 0

    def _former(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
