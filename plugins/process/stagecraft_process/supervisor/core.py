"""Change what runs: start groups on trial, let them serve, take that back, stop and forget them.

Every method leaves the state saved, and is safe to repeat. What must happen in one step (which group serves) happens
without an ``await`` in between: no connection ever sees half a switch.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from stagecraft_process.supervisor import processes, runner
from stagecraft_process.supervisor.groups import Groups
from stagecraft_process.supervisor.model import Group


class Supervisor(Groups):
    """Change which groups there are and which of them serve."""

    async def resume(self) -> None:
        """Bring up what the state says: adopt the instances that still run, start the others, end what nobody knows."""
        known = {
            self.mark(i) for g in self.state.groups.values() for i in g.instances if processes.alive(i.pid, i.started)
        }
        for pid in list(processes.marked(lambda value: value.startswith(f"{self.home}:") and value not in known)):
            processes.send(pid, signal.SIGKILL, group=False)
        for group in list(self.state.groups.values()):
            try:
                self.listeners.reserve(group)
            except OSError as error:
                self.say(f"{group.key}: {error.strerror}")
        await self.listeners.update()
        serving = set(self.state.active.values())
        for group in list(self.state.groups.values()):
            if group.key in serving:  # also one that was being replaced when the last supervisor was killed
                group.run, group.draining = True, False
            if group.run and not group.draining:
                self.start(group)
            elif group.instances or group.draining:
                self.drain(group)
        self.save()

    async def leave(self) -> None:
        """Stop caring, with all instances left running for the next supervisor."""
        self.listeners.close()
        tasks = [i.task for g in self.state.groups.values() for i in g.instances if i.task]
        for task in [*tasks, *self.stops.values(), *self.replacing.values()]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def shutdown(self) -> None:
        """Stop every instance, in parallel; the state keeps what is to run, so that a later start brings it back."""
        self.listeners.close()
        for task in [*self.stops.values(), *self.replacing.values()]:
            task.cancel()
        groups = list(self.state.groups.values())
        await asyncio.gather(*(runner.stop(g, i, self.mark(i)) for g in groups for i in g.instances))
        self.save()

    async def prepare(
        self, release: str, services: dict[str, Any], base: dict[str, str], held: list[str]
    ) -> dict[str, Any]:
        """Start a release's services beside what serves, except those that are as they were and those ``held`` for the
        switch.

        Leftovers of other releases that never came to serve are removed first.
        """
        for group in list(self.state.groups.values()):
            if group.trial and group.release != release and group.service in services:
                self.drain(group)
        changed, unchanged = [], []
        for name, wanted in sorted(services.items()):
            serving = self.state.serving(name)
            if serving and serving.release == release and name in self.state.undo.get(release, {}):
                changed.append(name)  # a repetition after the switch
                continue
            if serving and serving.fingerprint == wanted["fingerprint"] and _well(serving):
                self.listeners.reserve(serving)  # a port that was taken when the supervisor came up
                unchanged.append(name)
                continue
            changed.append(name)
            await self._add(Group(name, release, base=base, **wanted), run=name not in held or serving is None)
        self.save(durable=True)
        await self.listeners.update()
        return {"changed": changed, "unchanged": unchanged}

    async def _add(self, group: Group, *, run: bool) -> None:
        present = self.state.groups.get(group.key)
        if present and present.fingerprint == group.fingerprint and (not run or (present.run and _well(present))):
            return
        if present:
            await self.gone(present)
        self.listeners.reserve(group)
        group.run = run
        self.state.groups[group.key] = group
        if run:
            self.start(group)

    async def replace(self, key: str, stop: bool, record: str) -> dict[str, Any]:
        """Begin to start a group that was held back or stopped; its state tells when it runs.

        Args:
            stop: Stop first whatever else runs of its service; connections wait meanwhile.
            record: The release in whose name what serves is replaced, for its undo; empty for the undo itself.
        """
        group = self.state.groups[key]
        serving = self.state.serving(group.service)
        if record and serving is not group:
            self.state.undo.setdefault(record, {}).setdefault(group.service, serving.key if serving else "")
        others = (
            [g for g in self.state.groups.values() if g.service == group.service and g is not group] if stop else []
        )
        for other in others:
            other.run, other.draining = False, True  # new connections wait from now on
        again = not (group.run and _well(group))
        group.run, group.draining = True, False
        self.save(durable=True)
        former_task = self.replacing.pop(group.service, None)
        if former_task:
            former_task.cancel()
            await asyncio.wait([former_task])
        task = asyncio.get_running_loop().create_task(self._replace(group, others, again))
        self.replacing[group.service] = task
        return {}

    async def _replace(self, group: Group, others: list[Group], again: bool) -> None:
        for other in others:
            await self.drained(other)
            await self.stop(other)
            other.draining = False
        if again or not group.instances:
            await self.stop(group)
            group.trial = True
            self.start(group)
        self.save()

    async def switch(self, release: str, services: list[str], removed: list[str]) -> dict[str, Any]:
        """Let a release's groups serve, all at once, and remember what they replace; ``removed`` serve no longer."""
        former = self.state.undo.setdefault(release, {})
        for name in services:
            group = self.state.groups[f"{name}@{release}"]
            if self.state.active.get(name) != group.key:
                former.setdefault(name, self.state.active.get(name, ""))
        for name in removed:
            if name in self.state.active:
                former.setdefault(name, self.state.active[name])
        moves = {name: f"{name}@{release}" for name in services}
        self._point(moves | dict.fromkeys(removed, ""))
        await self.listeners.update()
        return {}

    async def restore(self, release: str) -> dict[str, Any]:
        """Let serve again what a release replaced."""
        former = self.state.undo.pop(release, {})
        self._point({s: k for s, k in former.items() if k in self.state.groups or not k})
        await self.listeners.update()
        return {}

    def _point(self, moves: dict[str, str]) -> None:
        """Move services to groups (none for an empty key): first on disk, then in memory, with nothing in between."""
        for service, key in moves.items():
            if key:
                self.state.active[service] = key
                self.state.groups[key].trial = False
            else:
                self.state.active.pop(service, None)
        serving = set(self.state.active.values())
        self.save(durable=True)
        for group in self.state.groups.values():
            for instance in group.instances:
                for connection in instance.connections:
                    connection.leave = group.key not in serving

    async def undo(self, release: str) -> dict[str, Any]:
        """Tell which groups must run again before a release can be taken back, the replaced ones that were stopped."""
        former = self.state.undo.get(release, {})
        stopped = [
            k
            for k in former.values()
            if k in self.state.groups and not (self.state.groups[k].run and not self.state.groups[k].draining)
        ]
        missing = sorted(s for s, k in former.items() if k and k not in self.state.groups)
        return {"start": sorted(stopped), "missing": missing, "switched": sorted(former)}

    async def remove(self, release: str) -> dict[str, Any]:
        """Drain and forget a release's groups that do not serve."""
        serving = set(self.state.active.values())
        for group in list(self.state.groups.values()):
            if group.release == release and group.key not in serving:
                group.draining = True
                self.drain(group)
        self.save()
        return {}

    async def retire(self, release: str, only: list[str]) -> dict[str, Any]:
        """Drain and stop all that serves no longer; what ``release`` replaced stays known, stopped, for an undo."""
        serving = set(self.state.active.values())
        for other in [r for r in self.state.undo if r != release]:
            if not only:
                del self.state.undo[other]
        for group in list(self.state.groups.values()):
            if group.key not in serving and (not only or group.service in only):
                group.run = False
                self.drain(group)
        self.save(durable=True)
        return {}


def _well(group: Group) -> bool:
    """Tell whether a group runs, or starts, without trouble."""
    if group.draining or not group.run:
        return False
    return all(
        i.health != "unhealthy"
        and (
            i.state in ("created", "running") or (i.state == "exited" and i.exit_code == 0 and not group.unit["ports"])
        )
        for i in group.instances
    )
