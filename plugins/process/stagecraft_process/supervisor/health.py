"""Find out whether an instance is well: does it listen, does its healthcheck pass."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from stagecraft_process.supervisor import processes
from stagecraft_process.supervisor.model import Instance

#: Seconds between looks while an instance starts.
LOOK = 0.05
#: Seconds for which an instance that listens, and has no healthcheck, must stay up.
SETTLE = 1.0
_OUTPUT = 1000


async def watch(instance: Instance, unit: Mapping[str, Any], argv: list[str], env: Mapping[str, str]) -> None:
    """Keep ``health`` and ``ready`` of an instance true to what is seen, until cancelled.

    ``ready`` means that it may get connections: it listens on every published port, and its healthcheck passed; without
    one, it has stayed up for a second (``monitor`` seconds without ports).
    """
    check = unit["health"]
    instance.health = "starting" if check else "none"
    targets = [instance.ports[int(t)] for t in unit["listens"]]
    if check is None:
        settle = min(SETTLE, unit["monitor"]) if targets else unit["monitor"]
        await _listening(instance, targets)
        await asyncio.sleep(max(0.0, instance.since + settle - time.time()))
        instance.ready = True
        return
    await _check(instance, unit["cwd"], check, targets, argv, env)


async def _listening(instance: Instance, ports: list[int]) -> None:
    while not await listens(instance, ports):
        await asyncio.sleep(LOOK)


async def listens(instance: Instance, ports: list[int]) -> bool:
    """Tell whether an instance accepts connections on all its ports; remembers whether it does so on IPv4 or IPv6."""
    for port in ports:
        for address in sorted({instance.address, "127.0.0.1", "::1"}, key=lambda a: a != instance.address):
            if await _accepts(address, port):
                instance.address = address
                break
        else:
            return False
    return True


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _check(
    instance: Instance, cwd: str, check: Mapping[str, Any], ports: list[int], argv: list[str], env: Mapping[str, str]
) -> None:
    """Probe as the compose file says, but often until the first success, so that a quick start is noticed quickly.

    A failure counts, as it does for a container engine, once per ``interval`` and not within ``start_period``.
    """
    begun = counted = time.monotonic()
    failures = 0
    pause = LOOK
    while True:
        try:
            code, output = await probe(argv, cwd, env, check["timeout"])
        except OSError as error:  # a full disk, no more processes: as good as a failed probe
            code, output = 126, f"the healthcheck cannot be run: {error}"
        well = code == 0 and (instance.ready or await listens(instance, ports))
        if code == 0 and not well:
            output = "the healthcheck passes, but nothing accepts connections on PORT"
        now = time.monotonic()
        instance.probe = output or f"exit code {code}"
        if well:
            instance.health, instance.ready, failures, counted = "healthy", True, 0, now
        elif now - begun >= check["start_period"] and now - counted >= check["interval"] * 0.9:
            failures, counted = failures + 1, now
            if failures >= check["retries"]:
                instance.health, instance.ready = "unhealthy", False
        if instance.health == "starting":
            await asyncio.sleep(min(pause, check["interval"]))
            pause = min(pause * 1.5, check["start_interval"] or 0.5)
        else:
            await asyncio.sleep(check["interval"])


async def probe(argv: list[str], cwd: str, env: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Run a healthcheck's command; return its exit code (-9 after ``timeout`` seconds) and the end of its output."""
    with tempfile.TemporaryFile() as stream:
        try:
            process = processes.start(argv, cwd, env, stream.fileno())
        except OSError as error:
            return 127, f"{argv[0]}: {os.strerror(error.errno or 0)}"
        try:
            async with asyncio.timeout(timeout):
                code = await processes.ended(process.pid, "", process)
        except TimeoutError:
            code = -signal.SIGKILL
        finally:
            processes.send(process.pid, signal.SIGKILL, group=True)
            with contextlib.suppress(ChildProcessError):
                process.wait()
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _OUTPUT))
        output = stream.read().decode(errors="replace").strip()
    late = f"no answer within {timeout:g} s" if code == -signal.SIGKILL else ""
    return int(code or 0), "; ".join(t for t in (late, output) if t)
