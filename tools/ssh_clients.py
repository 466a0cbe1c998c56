"""Run a command on many hosts, twice, as one process: `python -m tools.ssh_clients ours|asyncssh FILE`.

FILE is JSON: hosts as [name, address, user, port], and the client configuration, key and known hosts to use. Prints JSON:
seconds of both rounds, without the start of the process, and how many handshakes were dropped.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def ours(given: dict[str, Any]) -> dict[str, float]:
    """Use the project's transport."""
    from stagecraft_hookspecs.values import Command, Host

    from stagecraft.machine.scope import Scope
    from stagecraft.remote.fleet import Fleet
    from stagecraft.remote.ssh import Dialer

    tried: list[object] = []
    once = Dialer._once

    def counted(self: Dialer, *arguments: Any) -> Any:
        tried.append(arguments)
        return once(self, *arguments)

    Dialer._once = counted  # type: ignore[method-assign, assignment]
    hosts = [Host(*host) for host in given["hosts"]]
    with tempfile.TemporaryDirectory() as root:
        fleet = Fleet(Path(root), lambda _: None, {"STAGECRAFT_SSH_CONFIG": given["config"]})
        scope, command = Scope(), Command(("true",))
        rounds = [_timed(lambda: fleet.on_each(hosts, lambda h: fleet.machine(h, scope).run(command))) for _ in "12"]
        fleet.close()
    return {"first": rounds[0], "second": rounds[1], "dropped": len(tried) - len(hosts)}


def other(given: dict[str, Any]) -> dict[str, float]:
    """Use asyncssh."""
    import asyncssh

    async def run() -> dict[str, float]:
        async def connect(name: str, address: str, user: str, port: int) -> asyncssh.SSHClientConnection:
            connection = await asyncssh.connect(
                address,
                port,
                username=user,
                client_keys=[given["key"]],
                known_hosts=given["known_hosts"],
                config=None,
                agent_path=None,
            )
            await connection.run("true", check=True)
            return connection

        began = time.perf_counter()
        connections = await asyncio.gather(*(connect(*host) for host in given["hosts"]))
        first = time.perf_counter() - began
        began = time.perf_counter()
        await asyncio.gather(*(connection.run("true", check=True) for connection in connections))
        second = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return {"first": first, "second": second, "dropped": 0}

    return asyncio.run(run())


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    client = {"ours": ours, "asyncssh": other}[sys.argv[1]]
    print(json.dumps(client(json.loads(Path(sys.argv[2]).read_text()))))
