"""Small applications that a proxy sends requests to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.proxy import Endpoint

from stagecraft_container_proxy.contract.wire import body_of, head_of


class Loop:
    """Run coroutines in a thread of its own: applications answer while a step of the proxy waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine: Any, timeout: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def close(self) -> None:
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _cancel(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class App:
    """Answer with a name, the path and the headers that came; ``/slow/SECONDS`` waits, ``/stream`` goes on, an upgrade echoes."""

    def __init__(self, loop: Loop, name: str, address: str = "127.0.0.1") -> None:
        self.loop, self.name = loop, name
        self.server: asyncio.Server = loop.run(asyncio.start_server(self._serve, address, 0, limit=1 << 22))
        port = int(self.server.sockets[0].getsockname()[1])
        self.endpoint = Endpoint(address, port, name)
        self.served = 0
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def shown(self) -> str:
        return f"{self.endpoint.address}:{self.endpoint.port}"

    def close(self) -> None:
        self.loop.loop.call_soon_threadsafe(self.server.close)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        path, headers = head_of(await reader.readuntil(b"\r\n\r\n"))
        path = path.split()[1]
        self.seen.append((path, headers))
        await body_of(reader, headers)
        if headers.get("upgrade", "").lower() == "websocket":
            return await self._echo(reader, writer, headers)
        if path.startswith("/stream"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(int(path.rpartition("/")[2])):
                piece = f"data: {self.name} {number}\n\n".encode()
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.1)
            writer.write(b"0\r\n\r\n")
            return True
        await asyncio.sleep(float(path.rpartition("/")[2]) if path.startswith("/slow/") else 0.01)
        body = f"{self.name} {path}".encode()
        self.served += 1
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

    async def _echo(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str]
    ) -> bool:
        """Upgrade, then send back each frame's bytes as they come, with the name before the first."""
        magic = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        return False
