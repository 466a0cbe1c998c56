"""Run one instance: start it, watch it, start it again after a crash, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stagecraft_process.supervisor import health, ports, processes, resolve
from stagecraft_process.supervisor.model import Group, Instance
from stagecraft_process.supervisor.output import Log, Pipe

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
#: Seconds of life after which an instance counts as recovered, so that the next crash starts with the shortest pause.
RECOVERED = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Hold what a runner needs of the supervisor.

    Attributes:
        mark: Value of the mark in the environment of this instance.
        link: Returns the stable port of another service's container port.
        wait: Returns when all that a group depends on is there.
        changed: Saves the state.
    """

    home: str
    mark: str
    link: Callable[[str, int], int]
    wait: Callable[[Group], Awaitable[None]]
    changed: Callable[[], None]


async def run(group: Group, instance: Instance, log: Log, around: Surroundings) -> None:
    """Run an instance until it has ended for good or the task is cancelled. Adopts the process if it already runs."""
    try:
        pipe = Pipe(around.home, instance.name, log)
    except OSError as error:
        _give_up(instance, error, around)
        return
    try:
        if not processes.alive(instance.pid, instance.started):
            instance.pid, instance.state = 0, "created"
            await around.wait(group)
        await _live(group, instance, pipe, log, around)
    except asyncio.CancelledError:
        pipe.close(keep=not instance.stopping)
        raise
    except OSError as error:
        _give_up(instance, error, around)
    pipe.close()


def _give_up(instance: Instance, error: OSError, around: Surroundings) -> None:
    """Note that this machine cannot run the instance (a full disk, no more processes), for the diagnosis."""
    processes.sweep(around.mark, instance.pid)
    instance.problem, instance.exit_code = f"this machine cannot run it: {error}", 126
    instance.pid, instance.ready, instance.state = 0, False, "exited"
    around.changed()


async def _live(group: Group, instance: Instance, pipe: Pipe, log: Log, around: Surroundings) -> None:
    pause = FIRST_PAUSE
    while not instance.stopping:
        adopted = instance.pid > 0
        code = await _once(group, instance, pipe, around)
        processes.sweep(around.mark, instance.pid)
        pipe.drain()
        instance.pid, instance.ready, instance.listens = 0, False, []
        instance.exit_code = code
        if instance.health != "none":
            instance.health = "unhealthy"
        end = "ended" if code is None else f"exited with code {code}" if code >= 0 else f"was ended by {_signal(code)}"
        if instance.problem:
            end = instance.problem
        log.write(instance.name, [f"-- {end}".encode()])
        if instance.stopping or not again(group, code, instance.restarts):
            break
        if time.time() - instance.since >= RECOVERED:
            pause = FIRST_PAUSE
        instance.state = "restarting"
        around.changed()
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        instance.restarts += 0 if adopted and code is None and instance.stopping else 1
    instance.state = "exited"
    around.changed()


async def _once(group: Group, instance: Instance, pipe: Pipe, around: Surroundings) -> int | None:
    """Start the process (or take over the running one) and return its exit code once it has ended."""
    unit = group.unit
    process = None
    if not instance.pid:
        instance.ports = ports.free(unit["targets"], instance.ports)
    env = resolve.environment(unit, group.base, instance.ports, around.link, around.mark)
    if not instance.pid:
        output = pipe.end()
        try:
            process = processes.start(resolve.argv(unit, instance.ports, around.link), unit["cwd"], env, output)
        except OSError as error:
            instance.since = time.time()
            instance.problem = _why(error, unit, env)
            return 127 if error.errno == errno.ENOENT else 126
        finally:
            os.close(output)
        instance.pid, instance.started = process.pid, processes.start_time(process.pid)
        instance.since, instance.problem, instance.probe = time.time(), "", ""
    instance.state = "stopping" if instance.stopping else "running"
    around.changed()
    check = unit["health"]
    argv = [resolve.text(a, instance.ports, around.link) for a in check["test"]] if check else []
    watcher = asyncio.get_running_loop().create_task(health.watch(instance, unit, argv, env))
    try:
        return await processes.ended(instance.pid, instance.started, process)
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


def again(group: Group, code: int | None, restarts: int) -> bool:
    """Decide whether an instance that ended is started again.

    While somebody waits for the verdict on a new release an exit is final. Afterwards ``restart`` of the compose file
    decides; where it says nothing, a service with published ports always comes back, another one unless it exited with
    0.
    """
    if group.trial or not group.run:
        return False
    policy, limit = group.unit["restart"], group.unit["max_restarts"]
    if policy == "no":
        return False
    if policy == "on-failure":
        return code != 0 and (limit == 0 or restarts < limit)
    return True


async def stop(group: Group, instance: Instance, mark: str) -> None:
    """Stop an instance: the stop signal, the grace, then SIGKILL for all it left."""
    instance.stopping = True
    if instance.task is None:
        return
    if not instance.pid:
        instance.task.cancel()
    else:
        instance.state = "stopping"
        # a shell does not pass signals on, so its children get it too
        processes.send(instance.pid, processes.signal_number(group.unit["stop_signal"]), group=group.unit["shell"])
        await asyncio.wait([instance.task], timeout=group.unit["stop_grace"])
        if not instance.task.done():
            processes.sweep(mark, instance.pid)
    await asyncio.wait([instance.task], timeout=5)
    instance.task = None
    instance.state, instance.ready = "exited", False


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _why(error: OSError, unit: dict[str, object], env: dict[str, str]) -> str:
    command = str(error.filename or "")
    if command == unit["cwd"]:
        return f"the folder {command} is not there"
    if error.errno == errno.ENOENT and "/" not in command:
        return f"{command!r} is not installed on this machine (looked along PATH={env.get('PATH', '')})"
    return f"{command} cannot be started: {os.strerror(error.errno or 0)}"
