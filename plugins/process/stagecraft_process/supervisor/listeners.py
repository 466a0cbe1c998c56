"""Own the published ports: each is bound once, and where its connections go is looked up anew for every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from stagecraft_process.supervisor import ports
from stagecraft_process.supervisor.forwarder import Connection
from stagecraft_process.supervisor.model import Group, Instance, State

BACKLOG = 1024


class Listener:
    """Hold one address: bound from the start, listening once something serves there."""

    def __init__(self, address: str, port: int, owner: Callable[[], tuple[Group, int] | None]) -> None:
        self._owner = owner
        self._socket = ports.bind(address, port)
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    def candidates(self) -> list[tuple[Instance, int]]:
        """Return the instances of the group that serves: ready ones in turn, others that run after them."""
        found = self._owner()
        if found is None:
            return []
        group, target = found
        if group.draining:
            return []
        running = [i for i in group.instances if i.pid and target in i.ports and not i.stopping]
        group.turn += 1
        turned = running[group.turn % len(running) :] + running[: group.turn % len(running)] if running else []
        return [(i, i.ports[target]) for i in sorted(turned, key=lambda i: not i.ready)]

    async def listen(self) -> None:
        """Accept connections from now on; nothing if it does already."""
        if self._server is None:
            try:
                self._server = await asyncio.get_running_loop().create_server(
                    lambda: Connection(self), sock=self._socket, backlog=BACKLOG
                )
            except OSError as error:  # somebody else came between the binding and now
                raise OSError(
                    error.errno, f"port {self.port} is taken by {ports.owner(self.port) or 'somebody else'}"
                ) from None

    def close(self) -> None:
        """Give the port up; connections that are open stay."""
        if self._server:
            self._server.close()
        self._socket.close()


class Listeners:
    """Keep a listener for every address that a group publishes and for every link between services."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._published: dict[tuple[str, int], Listener] = {}
        self._links: dict[str, Listener] = {}

    def reserve(self, group: Group) -> None:
        """Bind what a group publishes, without listening yet. Raises OSError naming the port and who has it."""
        for entry in group.unit["ports"]:
            address = (entry["ip"], entry["published"])
            if entry["published"] and address not in self._published:
                self._published[address] = Listener(*address, partial(self._owner, address))

    def link(self, service: str, target: int) -> int:
        """Return the loopback port on which a service's container port is always found; it is kept over restarts."""
        key = f"{service}:{target}"
        if key not in self._links:
            wanted = self._state.links.get(key, 0)
            try:
                listener = Listener("127.0.0.1", wanted, lambda: self._linked(service, target))
            except OSError:
                listener = Listener("127.0.0.1", 0, lambda: self._linked(service, target))
            self._links[key] = listener
            self._state.links[key] = listener.port
        return self._links[key].port

    async def update(self) -> None:
        """Listen where something serves, and give up the ports that no group publishes any more."""
        wanted = {(e["ip"], e["published"]) for g in self._state.groups.values() for e in g.unit["ports"]}
        for address in [a for a in self._published if a not in wanted]:
            self._published.pop(address).close()
        for address, listener in self._published.items():
            if self._owner(address):
                await listener.listen()
        for group in self._state.groups.values():
            for entry in group.unit["ports"]:
                if not entry["published"]:
                    self.link(group.service, entry["target"])
        for listener in list(self._links.values()):
            await listener.listen()

    def port_of(self, service: str, entry: dict[str, int]) -> int:
        """Return the host port of a published entry: as given, or the one found for it."""
        return entry["published"] or self._state.links.get(f"{service}:{entry['target']}", 0)

    def close(self) -> None:
        """Give all ports up."""
        for listener in [*self._published.values(), *self._links.values()]:
            listener.close()

    def _owner(self, address: tuple[str, int]) -> tuple[Group, int] | None:
        """Find who serves an address: an active group first, else one that served and still runs."""
        groups = [self._state.groups[k] for k in self._state.active.values() if k in self._state.groups]
        groups += [g for g in self._state.groups.values() if g.run and not g.trial and g not in groups]
        for group in groups:
            for entry in group.unit["ports"]:
                if (entry["ip"], entry["published"]) == address:
                    return group, entry["target"]
        return None

    def _linked(self, service: str, target: int) -> tuple[Group, int] | None:
        group = self._state.serving(service) or next(
            (g for g in self._state.groups.values() if g.service == service and g.run), None
        )
        return (group, target) if group else None


def local_address(ip: str) -> str:
    """Return the address at which this machine reaches what listens on ``ip``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip)
