"""Clients of streams: WebSockets, and answers that come piece by piece."""

from __future__ import annotations

import base64
import os
import socket
import time
from types import TracebackType


class WebSocket:
    """Hold an upgraded connection. Frames are not taken apart: the application sends back what it gets."""

    def __init__(self, address: str, port: int) -> None:
        self.socket = socket.create_connection((address, port), timeout=15)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            "GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        upgrades = [line for line in head.lower().split(b"\r\n") if line.startswith(b"connection:")]
        assert upgrades == [b"connection: upgrade"], head

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def echo(self, data: bytes) -> bytes:
        """Send bytes, as a client's frame, and return what comes back."""
        mask = os.urandom(4)
        frame = bytes([0x82, 0x80 | len(data)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.socket.sendall(frame)
        back = b""
        while len(back) < len(frame):
            back += self.read()
        assert back == frame
        return data

    def read(self) -> bytes:
        """Return what comes next; empty at the end."""
        return self.socket.recv(4096)


def pieces(address: str, port: int, path: str) -> list[float]:
    """Return when each event of a stream arrived."""
    times: list[float] = []
    with socket.create_connection((address, port), timeout=15) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
        while data := connection.recv(4096):
            times += [time.monotonic()] * data.count(b"data: ")
    return times
