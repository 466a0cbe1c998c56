"""A small HTTP application to deploy in tests: it tells its version, and misbehaves on request.

    GET /           its version           GET /health     200, or 503 where it is broken
    POST /...       the body, echoed      GET /env        the names of its environment variables, a JSON list
    GET /slow?s=2   after s seconds       GET /stream?n=5&s=0.1   n lines, s seconds apart, then `end`, chunked
    GET /ws         a WebSocket that echoes, and is closed with 1001 when the end was asked for

Environment:
    PORT            where it listens (8000)
    APP_VERSION     what it says it is; also in the header X-Version of every answer
    APP_START_DELAY seconds before it listens (0)
    APP_TERM        on SIGTERM: drain (finish what is under way, then end; the default), exit (end at once), ignore
    APP_BROKEN      start (ends at once with code 3), health (/health says 503), requests (all say 500), hang (accepts
                    connections and never answers), crash (ends with code 4 after APP_CRASH_AFTER seconds, 1)
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

VERSION = os.environ.get("APP_VERSION", "0")
BROKEN = os.environ.get("APP_BROKEN", "")
WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
GOING_AWAY = b"\x88\x02\x03\xe9"  # a close frame with 1001
DRAIN = 20.0
T = TypeVar("T")
Query = dict[str, list[str]]


class App:
    """What is under way, and whether the end was asked for."""

    def __init__(self) -> None:
        self.busy = 0
        self.ending = asyncio.Event()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while not self.ending.is_set():
                head = await self._unless_ending(reader.readuntil(b"\r\n\r\n"))
                if head is None:
                    break
                self.busy += 1
                try:
                    if not await self._answer(head.decode("latin-1"), reader, writer):
                        break
                finally:
                    self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _unless_ending(self, waiting: Coroutine[None, None, T]) -> T | None:
        """Return what is waited for; None if the end comes first."""
        head, end = asyncio.ensure_future(waiting), asyncio.ensure_future(self.ending.wait())
        await asyncio.wait((head, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if head.done():
            return head.result()
        head.cancel()
        return None

    async def _answer(self, head: str, reader: StreamReader, writer: StreamWriter) -> bool:
        """Answer one request; return whether the connection can take another."""
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
        url, query = urlsplit(target), parse_qs(urlsplit(target).query)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if BROKEN == "hang":
            await asyncio.sleep(3600)
        if headers.get("upgrade", "").lower() == "websocket":
            await self._websocket(headers["sec-websocket-key"], reader, writer)
            return False
        keep = headers.get("connection", "").lower() != "close"
        if url.path == "/stream":
            await self._stream(writer, int(number(query, "n", 5)), number(query, "s", 0.1))
            return False
        status, text = await reply(method, url.path, query, body)
        keep = keep and not self.ending.is_set()
        writer.write(response(status, len(text), keep) + text)
        await writer.drain()
        return keep

    async def _stream(self, writer: StreamWriter, count: int, pause: float) -> None:
        """Send lines as chunks, `pause` seconds apart."""
        writer.write(
            f"HTTP/1.1 200 OK\r\nX-Version: {VERSION}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )
        for at in range(count):
            if at:
                await asyncio.sleep(pause)
            line = f"{VERSION} {at}\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
        writer.write(b"4\r\nend\n\r\n0\r\n\r\n")
        await writer.drain()

    async def _websocket(self, key: str, reader: StreamReader, writer: StreamWriter) -> None:
        """Take the upgrade, then send every message of up to 65535 bytes back until the peer closes or the end is asked for."""
        accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_KEY).encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"X-Version: {VERSION}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        while (message := await self._unless_ending(frame(reader))) is not None:
            first, data = message
            size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
            writer.write(bytes([first]) + size + data)
            await writer.drain()
            if first & 0x0F == 8:  # the peer closes; the echo was the answer
                return
        writer.write(GOING_AWAY)
        await writer.drain()


async def frame(reader: StreamReader) -> tuple[int, bytes]:
    """Return the next frame's first byte and its data, unmasked."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    return first, bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(length)))


async def reply(method: str, path: str, query: Query, body: bytes) -> tuple[int, bytes]:
    """Return status and body of the answer to a plain request."""
    if path == "/slow":
        await asyncio.sleep(number(query, "s", 1))
    if BROKEN == "requests" or (BROKEN == "health" and path == "/health"):
        return (503 if path == "/health" else 500), b"broken\n"
    if path == "/health":
        return 200, b"ok\n"
    if path == "/env":
        return 200, json.dumps(sorted(os.environ)).encode() + b"\n"
    if method == "POST":
        return 200, body
    return (200, f"{VERSION}\n".encode()) if path in ("/", "/slow") else (404, b"no such page\n")


def number(query: Query, name: str, otherwise: float) -> float:
    """Return a number from the query."""
    return float(query.get(name, [str(otherwise)])[0])


def response(status: int, length: int, keep: bool) -> bytes:
    """Return the head of an answer."""
    connection = "keep-alive" if keep else "close"
    reason = {200: "OK", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\nX-Version: {VERSION}\r\n"
        f"Connection: {connection}\r\n\r\n"
    ).encode()


async def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    if BROKEN == "start":
        print("broken: cannot start", file=sys.stderr, flush=True)
        return 3
    app, loop = App(), asyncio.get_running_loop()
    reactions = {"drain": app.ending.set, "exit": lambda: os._exit(0), "ignore": lambda: None}
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, reactions[os.environ.get("APP_TERM", "drain")])
    await asyncio.sleep(float(os.environ.get("APP_START_DELAY", 0)))
    server = await asyncio.start_server(app.serve, "0.0.0.0", int(os.environ.get("PORT", 8000)), backlog=1024)
    print(f"version {VERSION} listens", flush=True)
    if BROKEN == "crash":
        await asyncio.sleep(float(os.environ.get("APP_CRASH_AFTER", 1)))
        return 4
    await app.ending.wait()
    server.close()
    end = loop.time() + DRAIN
    while app.busy and loop.time() < end:
        await asyncio.sleep(0.02)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
