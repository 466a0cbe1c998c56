"""A wire between this process and an engine: what goes over it is counted, slowed down, or cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path


class WireTap:
    """Listen on a socket and pass everything on to an engine's.

    Attributes:
        sent: Bytes that went to the engine.
        cut_after: Bytes after which the wire is cut, for good; 0 for never.
        rate: Bytes a second that it carries; 0 for as many as come.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self.path, self._engine = path, engine.removeprefix("unix://")
        self.sent = self.cut_after = 0
        self.rate = 0.0
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._engine)
            except OSError:
                _end(near)
                continue
            threading.Thread(target=self._there, args=(near, far), daemon=True).start()
            threading.Thread(target=self._back, args=(far, near), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        try:
            while data := near.recv(1 << 16):
                self.sent += len(data)
                if self.cut_after and self.sent >= self.cut_after:
                    break
                if self.rate:
                    time.sleep(len(data) / self.rate)
                far.sendall(data)
            else:
                far.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        for end in (near, far):
            _end(end)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        try:
            while data := far.recv(1 << 16):
                near.sendall(data)
        except OSError:
            pass
        _end(near)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
