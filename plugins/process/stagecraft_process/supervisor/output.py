"""Bring the output of instances into one log per service, line by line, and keep its size in bounds.

Each instance writes into a named pipe that it holds open for reading as well. So its writes never fail when the
supervisor is killed (they wait once the pipe is full), and the next supervisor opens the pipe by name and loses no
line.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time

from stagecraft_process import layout

LIMIT = 10 * 1024 * 1024
FILES = 3
_LONGEST = 64 * 1024
_MOST_READS = 64
_PIPE_SIZE = 1024 * 1024
_F_SETPIPE_SZ = 1031


class Log:
    """Write ``TIME INSTANCE TEXT`` lines to a service's log; rotate it at ``LIMIT`` bytes, keep ``FILES`` files."""

    def __init__(self, home: str, service: str) -> None:
        self._path = layout.log_file(home, service)
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, instance: str, lines: list[bytes]) -> None:
        """Append lines, each stamped with the time (UTC, milliseconds)."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z {instance} "
        data = b"".join(stamp.encode() + line + b"\n" for line in lines)
        if self._size + len(data) > LIMIT and self._size:
            self._rotate()
        with contextlib.suppress(OSError):  # a full disk must not end what serves
            self._size += os.write(self._descriptor, data)

    def _rotate(self) -> None:
        os.close(self._descriptor)
        for number in range(FILES - 1, 0, -1):
            older = self._path if number == 1 else f"{self._path}.{number - 1}"
            with contextlib.suppress(FileNotFoundError):
                os.replace(older, f"{self._path}.{number}")
        self._open()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Pipe:
    """Read an instance's output from its named pipe into a log while the event loop runs."""

    def __init__(self, home: str, instance: str, log: Log) -> None:
        folder = os.path.join(home, "fifo")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._path = os.path.join(folder, instance)
        self._instance, self._log, self._rest = instance, log, b""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
        # open for writing too: reading then never meets an end of file that would have to be polled
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, _F_SETPIPE_SZ, _PIPE_SIZE)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def end(self) -> int:
        """Return a descriptor for the instance to write to; the caller closes it."""
        return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, 256 * 1024)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._log.write(self._instance, lines)
        return True

    def drain(self) -> None:
        """Log all that is in the pipe, an unfinished line included."""
        for _ in range(_MOST_READS):  # bounded, in case somebody who got away goes on writing
            if not self._read():
                break
        if self._rest:
            self._log.write(self._instance, [self._rest])
            self._rest = b""

    def close(self, *, keep: bool = False) -> None:
        """Log what is left and remove the pipe, unless the instance goes on without this supervisor."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        if not keep:
            self.drain()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        os.close(self._descriptor)
