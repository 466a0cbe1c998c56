#!/usr/bin/env python3
"""Play what the plugin relies on of Traefik, as its documentation has it: this is not Traefik, and proves nothing of it.

It reads the static file once, listens on the entry points, takes a changed file of routes over, keeps the former where the new one
is no document, and tells at /api/rawdata and /api/entrypoints. A connection goes to the first server of the entry point's router.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

State = dict[str, Any]


async def main() -> None:
    static = json.loads(Path(sys.argv[1].removeprefix("--configFile=")).read_text())
    file = Path(static["providers"]["file"]["filename"])
    state: State = {"http": {}}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for name, point in static["entryPoints"].items():
        host, _, port = point["address"].rpartition(":")
        serve = api(static, state) if name == "traefik" else forward(state, name)
        await asyncio.start_server(serve, host.strip("[]") or None, int(port))
    watcher = asyncio.create_task(watch(file, state))
    await stop.wait()
    watcher.cancel()


async def watch(file: Path, state: State) -> None:
    while True:
        with contextlib.suppress(ValueError, OSError):
            state["http"] = json.loads(file.read_text())["http"]
        await asyncio.sleep(0.05)


def api(static: State, state: State) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        http = state["http"]
        told: Any = {
            kind: {f"{name}@file": one for name, one in http.get(kind, {}).items()}
            for kind in ("routers", "services", "middlewares")
        }
        for router in told["routers"].values():
            if unknown := [m for m in router.get("middlewares", ()) if m not in http["middlewares"]]:
                router["error"] = [f'middleware "{unknown[0]}@file" does not exist']
        if path == b"/api/entrypoints":
            told = [{"name": name, "address": point["address"]} for name, point in static["entryPoints"].items()]
        body = json.dumps(told).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    return serve


def forward(state: State, entry_point: str) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = state["http"]
        routers = [one for one in http.get("routers", {}).values() if entry_point in one["entryPoints"]]
        servers = http["services"][routers[0]["service"]]["loadBalancer"]["servers"] if routers else []
        if not servers:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = servers[0]["url"].removeprefix("http://").rpartition(":")
        other, onward = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, onward), pump(other, writer))

    return serve


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


asyncio.run(main())
