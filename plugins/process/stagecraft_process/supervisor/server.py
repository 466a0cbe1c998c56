"""Answer requests: one JSON object per line, ``{"do": NAME, …}``, answered by ``{"ok": …}`` or ``{"error": TEXT}``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import traceback
from typing import Any

from stagecraft_process import layout
from stagecraft_process.supervisor import ports
from stagecraft_process.supervisor.core import Supervisor
from stagecraft_process.supervisor.model import Group, Instance

#: A request may carry the environments of hundreds of services.
LIMIT = 64 * 1024 * 1024
#: The part of a unit that a description shows: none of it can hold a secret.
SHOWN = ("cwd", "depends_on", "listens", "monitor", "replicas")


class Server:
    """Serve one supervisor on its socket; ``stop`` is set by a request to end, to how it shall end."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._change = asyncio.Lock()
        self.stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen(self) -> asyncio.Server:
        """Open the socket in the place of one that a killed supervisor left."""
        home = self._supervisor.home
        remove_socket(home)
        address, descriptor = layout.socket_address(home)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(address)
            os.chmod(os.path.join(home, "supervisor.sock"), 0o600)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return await asyncio.start_unix_server(self._serve, sock=sock, limit=LIMIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name = request.pop("do")
            method = getattr(self, f"do_{name}", None)
            if method is None:
                return {"error": f"the supervisor knows no request {name!r}"}
            return {"ok": await method(**request)}
        except OSError as error:
            return {"error": error.strerror or str(error)}
        except Exception as error:  # the next request is still answered; the fault is kept in the log
            traceback.print_exc()
            return {"error": f"the supervisor failed: {type(error).__name__}: {error}"}

    async def do_hello(self) -> dict[str, Any]:
        """Say who answers."""
        return {"protocol": layout.PROTOCOL, "pid": os.getpid()}

    async def do_status(self, ports_of: str = "") -> dict[str, Any]:
        """Describe all groups and instances, without any environment; ``ports_of`` names a group to look closely at."""
        return {"active": self._supervisor.state.active, "groups": self.describe(ports_of)}

    def describe(self, ports_of: str = "") -> list[dict[str, Any]]:
        """Return every group as data that holds no secret."""
        state = self._supervisor.state
        return [self._group(g, g.key == ports_of) for _, g in sorted(state.groups.items())]

    def _group(self, group: Group, look: bool) -> dict[str, Any]:
        entries = [
            (e["ip"], self._supervisor.listeners.port_of(group.service, e), e["target"]) for e in group.unit["ports"]
        ]
        return {
            "key": group.key,
            "service": group.service,
            "release": group.release,
            "digest": group.digest,
            "trial": group.trial,
            "run": group.run,
            "draining": group.draining,
            "active": self._supervisor.state.active.get(group.service) == group.key,
            "ports": entries,
            "unit": {k: group.unit[k] for k in SHOWN} | {"checked": group.unit["health"] is not None},
            "instances": [self._instance(i, look) for i in group.instances],
        }

    def _instance(self, instance: Instance, look: bool) -> dict[str, Any]:
        found = ports.listening(instance.pid) if look and instance.pid else []
        return {**instance.to_dict(), "connections": len(instance.connections), "listens": found}

    async def do_prepare(self, **request: Any) -> dict[str, Any]:
        """See ``Supervisor.prepare``."""
        async with self._change:
            return await self._supervisor.prepare(**request)

    async def do_replace(self, **request: Any) -> dict[str, Any]:
        """See ``Supervisor.replace``."""
        async with self._change:
            return await self._supervisor.replace(**request)

    async def do_switch(self, **request: Any) -> dict[str, Any]:
        """See ``Supervisor.switch``."""
        async with self._change:
            return await self._supervisor.switch(**request)

    async def do_restore(self, release: str) -> dict[str, Any]:
        """See ``Supervisor.restore``."""
        async with self._change:
            return await self._supervisor.restore(release)

    async def do_undo(self, release: str) -> dict[str, Any]:
        """See ``Supervisor.undo``."""
        return await self._supervisor.undo(release)

    async def do_remove(self, release: str) -> dict[str, Any]:
        """See ``Supervisor.remove``."""
        async with self._change:
            return await self._supervisor.remove(release)

    async def do_retire(self, **request: Any) -> dict[str, Any]:
        """See ``Supervisor.retire``."""
        async with self._change:
            return await self._supervisor.retire(**request)

    async def do_trace(self, port: int) -> dict[str, Any]:
        """Tell which instance the connection from a client's port went to; empty while it is not decided."""
        for group in self._supervisor.state.groups.values():
            for instance in group.instances:
                for connection in instance.connections:
                    peer = connection.client.get_extra_info("peername")
                    if peer and peer[1] == port and connection.up:
                        return {"key": group.key, "instance": instance.name}
        return {}

    async def do_end(self, how: str) -> dict[str, Any]:
        """End the supervisor: ``stop`` with all instances, ``leave`` without them."""
        self.end(how)
        return {}

    def end(self, how: str) -> None:
        """Ask the supervisor to end; the first one to ask decides how."""
        if not self.stop.done():
            self.stop.set_result(how)


def remove_socket(home: str) -> None:
    """Remove the socket of a supervisor that is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(home, "supervisor.sock"))
