"""Hold WebSockets open, echo messages over them, and open those again that end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .model import Plan, Target
from .tally import Tally
from .wire import Connection, Cut, Lost

_AGAIN = 0.05
_OPENING = 10.0


@dataclass(eq=False, slots=True)
class _Socket:
    """One place for a WebSocket; `echoes` are those awaited, oldest first. `up` is set while it is open."""

    target: Target
    connection: Connection | None = None
    version: str = ""
    echoes: list[tuple[bytes, asyncio.Future[str]]] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)


class Sockets:
    """Hold a plan's WebSockets."""

    def __init__(self, plan: Plan, tally: Tally, now: Callable[[], float]) -> None:
        self.plan, self.tally, self.now = plan, tally, now
        self.tasks: list[asyncio.Task[None]] = []
        self.turns: dict[Target, Iterator[_Socket]] = {}

    async def open(self) -> None:
        """Open all of them; those that cannot be opened are tried again for as long as the run lasts."""
        for target in dict.fromkeys(self.plan.targets):
            sockets = [_Socket(target) for _ in range(self.plan.sockets)]
            self.turns[target] = itertools.cycle(sockets)
            self.tasks += [asyncio.create_task(self._hold(s)) for s in sockets]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OPENING):
                    await asyncio.gather(*(s.up.wait() for s in sockets))

    async def close(self) -> None:
        """Close all of them."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def echo(self, target: Target) -> str:
        """Send a message over the target's next WebSocket, await its echo, and return who answered; raises Lost."""
        socket = next(self.turns[target])
        while socket.connection is None or not socket.connection.usable:
            socket.up.clear()
            await socket.up.wait()  # within the request's time
        text = os.urandom(8).hex().encode()
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        socket.echoes.append((text, answered))
        socket.connection.send(text)
        return await answered

    async def _hold(self, socket: _Socket) -> None:
        for attempt in itertools.count():
            try:
                await self._serve(socket, attempt > 0)
            except Lost as lost:
                self.tally.examples.append(f"{self.now():.3f} s: {lost.why}: cannot open a WebSocket: {lost}")
                del self.tally.examples[10:]
            finally:
                if socket.connection is not None:
                    socket.connection.close()
                socket.connection = None
                socket.up.clear()
                for _, answered in socket.echoes:
                    if not answered.done():
                        answered.set_exception(Lost("eof", "the WebSocket ended before the echo"))
                socket.echoes.clear()
            await asyncio.sleep(_AGAIN)

    async def _serve(self, socket: _Socket, again: bool) -> None:
        connection = await Connection.open(socket.target)
        socket.connection = None
        try:
            headers = await connection.upgrade(self.plan.path("ws"))
        except BaseException:
            connection.close()
            raise
        socket.connection, socket.version = connection, headers.get("x-version", "")
        if again:
            self.tally.reconnects += 1
        socket.up.set()
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                data = await connection.receive()
                if data is None:
                    self._closed(socket)
                    return
                text, answered = socket.echoes.pop(0) if socket.echoes else (b"", None)
                if answered is None or answered.done():
                    continue
                if data == text:
                    answered.set_result(socket.version)
                else:
                    answered.set_exception(Lost("wrong", f"{data!r} came back for {text!r}"))

    def _closed(self, socket: _Socket) -> None:
        for _, answered in socket.echoes:
            if not answered.done():
                answered.set_exception(Cut())
