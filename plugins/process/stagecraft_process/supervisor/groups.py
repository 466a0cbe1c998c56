"""Start, drain and stop groups, each in the background."""

from __future__ import annotations

import asyncio

from stagecraft_process.supervisor import processes, runner, store
from stagecraft_process.supervisor.listeners import Listeners
from stagecraft_process.supervisor.model import Group, Instance, State
from stagecraft_process.supervisor.output import Log

#: Seconds after which a connection that is idle between two HTTP exchanges is closed while its instance drains; long
#: enough for clients that were told to leave, and what a server's own keep-alive timeout does at any time.
IDLE = 2.0
_LOOK = 0.05


class Groups:
    """Hold the state and the tasks that keep it true."""

    def __init__(self, home: str, state: State) -> None:
        self.home = home
        self.state = state
        self.listeners = Listeners(state)
        self.logs: dict[str, Log] = {}
        self.stops: dict[str, asyncio.Task[None]] = {}
        self.replacing: dict[str, asyncio.Task[None]] = {}

    def save(self, *, durable: bool = False) -> None:
        """Save the state; a full disk is noted and survived."""
        try:
            store.save(self.home, self.state, durable=durable)
        except OSError as error:
            self.say(f"the state cannot be saved: {error}")

    def say(self, message: str) -> None:
        """Write to the supervisor's own log."""
        print(message, flush=True)

    def start(self, group: Group) -> None:
        """Run a group's instances; those that run already are left alone."""
        if not group.instances:
            count = group.unit["replicas"]
            group.instances = [Instance(f"{group.service}-{n}@{group.release}", n) for n in range(1, count + 1)]
        loop = asyncio.get_running_loop()
        if group.service not in self.logs:
            self.logs[group.service] = Log(self.home, group.service)
        log = self.logs[group.service]
        for instance in group.instances:
            if instance.task is None or instance.task.done():
                instance.stopping = False
                around = runner.Surroundings(self.home, self.mark(instance), self.listeners.link, self.needs, self.save)
                instance.task = loop.create_task(runner.run(group, instance, log, around))

    def drain(self, group: Group) -> None:
        """Stop a group in the background: once its connections have ended, or its stop grace is over."""
        if group.key not in self.stops:
            task = asyncio.get_running_loop().create_task(self.gone(group))
            self.stops[group.key] = task
            task.add_done_callback(lambda _: self.stops.pop(group.key, None))

    async def gone(self, group: Group) -> None:
        """Drain and stop a group, and forget it unless an undo may need it."""
        await self.drained(group)
        await self.stop(group)
        known = {*self.state.active.values(), *(k for former in self.state.undo.values() for k in former.values())}
        if group.key not in known:
            self.state.groups.pop(group.key, None)
            await self.listeners.update()
        group.draining = False
        self.save()

    async def drained(self, group: Group) -> None:
        """Wait until a group has no connections, asking HTTP clients to leave, or until its stop grace is over."""
        deadline = asyncio.get_running_loop().time() + group.unit["stop_grace"]
        while connections := [c for i in group.instances for c in i.connections]:
            for connection in connections:
                connection.leave = True
                if connection.idle_for(IDLE):
                    connection.close()
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_LOOK)

    async def stop(self, group: Group) -> None:
        """Stop a group's instances, in parallel."""
        for instance in group.instances:  # one that still runs from before this supervisor is taken over, to be stopped
            if instance.task is None and processes.alive(instance.pid, instance.started):
                self.start(group)
        await asyncio.gather(*(runner.stop(group, i, self.mark(i)) for i in group.instances))
        group.instances = []

    async def needs(self, group: Group) -> None:
        """Wait until all that a group depends on is there, looking at the same release first."""
        for service, condition in sorted(group.unit["depends_on"].items()):
            while True:
                own = self.state.groups.get(f"{service}@{group.release}")
                other = own if own and own.run else self.state.serving(service)
                if other is None or _satisfied(other, condition):
                    break
                await asyncio.sleep(_LOOK)

    def mark(self, instance: Instance) -> str:
        """Return what marks an instance's processes as its own."""
        return f"{self.home}:{instance.name}"


def _satisfied(group: Group, condition: str) -> bool:
    if condition == "service_completed_successfully":
        return all(i.state == "exited" and i.exit_code == 0 for i in group.instances)
    if condition == "service_healthy":
        return all(i.ready for i in group.instances)
    return all(i.pid or i.state == "exited" for i in group.instances)
