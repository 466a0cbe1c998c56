"""A web server to put load on: `python3 app.py PORT [VERSION]`. One file, standard library only; runs in any container.

/ answers the version, /echo a POST's body, /stream ten lines over half a second, /ws echoes messages, /slow?SECONDS
answers late, /headers says what it was sent, /hold sends a line a second. Every answer has the header X-Version.
SIGTERM ends it at once, as an application that knows nothing of draining; WebSockets get a close frame first.
DROP=N in the environment closes every Nth request without an answer.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import sys

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DROP = int(os.environ.get("DROP", "0"))


class App:
    def __init__(self, version: str) -> None:
        self.version, self.seen = version, 0
        self.sockets: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass
        finally:
            self.sockets.discard(writer)
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        body = await self.body(reader, headers)
        self.seen += 1
        if DROP and self.seen % DROP == 0:
            return False
        path, _, query = path.partition("?")
        if path.endswith("/ws") and "sec-websocket-key" in headers:
            await self.websocket(reader, writer, headers["sec-websocket-key"])
            return False
        if path.endswith("/stream"):
            await self.stream(writer, 10, 0.05)
        elif path.endswith("/hold"):
            await self.stream(writer, int(query or "30"), 1.0)
        else:
            if path.endswith("/slow"):
                await asyncio.sleep(float(query or "1"))
            status = query if path.endswith("/status") else "200 OK"
            shown = json.dumps({"method": method, "path": path, "query": query, "headers": headers}).encode()
            answer = body if method == "POST" else shown if path.endswith("/headers") else self.version.encode()
            writer.write(self.head(status, f"Content-Length: {len(answer)}") + answer)
            await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)

    def head(self, status: str, *headers: str) -> bytes:
        return "\r\n".join([f"HTTP/1.1 {status}", f"X-Version: {self.version}", *headers, "", ""]).encode()

    async def stream(self, writer: asyncio.StreamWriter, lines: int, pause: float) -> None:
        writer.write(self.head("200 OK", "Transfer-Encoding: chunked"))
        for number in range(lines):
            text = f"{number} of {lines} from {self.version}\n".encode()
            writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(b"4\r\nend\n\r\n0\r\n\r\n")
        await writer.drain()

    async def websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        words = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}")
        writer.write(self.head("101 Switching Protocols", *words))
        self.sockets.add(writer)
        while True:
            first, second = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            data = await reader.readexactly(second & 0x7F)
            if first & 0x0F == 8:
                return
            writer.write(bytes([0x81, len(data)]) + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def farewell(self) -> None:
        for writer in self.sockets:
            writer.write(b"\x88\x02\x03\xe9")


async def main(port: int, version: str, address: str) -> None:
    app, ended = App(version), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(app.serve, address, port, backlog=1024)
    print(f"{version} listens on {port}", flush=True)
    await ended.wait()
    server.close()
    app.farewell()
    await asyncio.sleep(0.05)
    os._exit(0)


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("VERSION", "v1")
    asyncio.run(main(int(sys.argv[1]), chosen, os.environ.get("ADDRESS", "0.0.0.0")))
