"""Speak HTTP/1.1 and WebSocket over one connection, without any retry, pool or redirect of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
from dataclasses import dataclass

from .model import Target


class Lost(Exception):
    """A request that got no good answer: the class of failure, and words."""

    def __init__(self, why: str, words: str = "") -> None:
        super().__init__(words or why)
        self.why = why


class Cut(Exception):
    """The server closed the WebSocket in order before it echoed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection. `fresh` until its first request; `usable` while the server has not closed it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
        self.reader, self.writer, self.target = reader, writer, target
        self.kept = True

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect; raises Lost(`connect`)."""
        secure = _context(target) if target.tls else None
        name = (target.name or target.address) if target.tls else None
        try:
            reader, writer = await asyncio.open_connection(
                target.address, target.port, ssl=secure, server_hostname=name, limit=1 << 20
            )
        except OSError as error:
            raise Lost("connect", str(error)) from error
        return cls(reader, writer, target)

    @property
    def usable(self) -> bool:
        """Tell whether another request may be sent: neither side has closed."""
        return self.kept and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        """Close without waiting."""
        self.kept = False
        with contextlib.suppress(Exception):
            self.writer.transport.abort()

    async def request(self, method: str, path: str, body: bytes = b"", *, close: bool = False) -> Answer:
        """Send a request and read the whole answer; raises Lost."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.target.host}"]
        head += [f"Content-Length: {len(body)}"] if method == "POST" else []
        head += ["Connection: close"] if close else []
        try:
            self.writer.write("\r\n".join([*head, "", ""]).encode() + body)
            await self.writer.drain()
            status, headers = await self.head()
            data = await self._body(headers)
        except asyncio.IncompleteReadError as error:
            raise Lost("eof", f"closed after {len(error.partial)} bytes of what was awaited") from error
        except (asyncio.LimitOverrunError, ValueError, IndexError) as error:
            raise Lost("wrong", f"no HTTP: {error}") from error
        except OSError as error:
            raise Lost("reset", str(error)) from error
        self.kept = not close and headers.get("connection", "").lower() != "close"
        return Answer(status, headers, data)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read an answer's head."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                parts.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readuntil(b"\r\n")
            return b"".join(parts)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        self.kept = False
        return await self.reader.read(-1)

    async def upgrade(self, path: str) -> dict[str, str]:
        """Make the connection a WebSocket and return the answer's headers; raises Lost."""
        key = base64.b64encode(os.urandom(16)).decode()
        words = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13")
        try:
            self.writer.write(
                "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {self.target.host}", *words, "", ""]).encode()
            )
            status, headers = await self.head()
        except asyncio.IncompleteReadError as error:
            raise Lost("eof", "closed instead of an upgrade") from error
        except OSError as error:
            raise Lost("reset", str(error)) from error
        if status != 101:
            raise Lost(f"status-{status}", "no upgrade")
        return headers

    def send(self, text: bytes) -> None:
        """Send a short text message, masked as clients must."""
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(text))
        self.writer.write(bytes([0x81, 0x80 | len(text)]) + mask + masked)

    async def receive(self) -> bytes | None:
        """Return the next short message; None for a close frame. Raises IncompleteReadError or OSError at the end."""
        first, second = await self.reader.readexactly(2)
        data = await self.reader.readexactly(second & 0x7F)
        return None if first & 0x0F == 8 else data


def _context(target: Target) -> ssl.SSLContext:
    if target.ca:
        return ssl.create_default_context(cafile=target.ca)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
