"""The open loop: a request is begun when it is due, whatever became of those before it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import defaultdict

from .model import KINDS, Plan, Results, Target
from .sockets import Sockets
from .tally import Tally
from .wire import Answer, Connection, Cut, Lost

#: Kept connections beyond these are closed rather than kept idle.
_IDLE = 16


class Client:
    """Run one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tallies = {kind: Tally() for kind in KINDS if plan.rates.get(kind)}
        self.idle: defaultdict[Target, list[Connection]] = defaultdict(list)
        self.running: set[asyncio.Task[None]] = set()
        self.sockets = Sockets(plan, self.tallies.get("ws") or Tally(), self.now)
        self.late = 0.0
        self.begun = 0
        self.start = 0.0
        self.stopped = asyncio.Event()

    def now(self) -> float:
        """Return the seconds since the start."""
        return asyncio.get_running_loop().time() - self.start

    async def run(self) -> Results:
        """Send until `stop` is called or the plan's end is reached; wait for what is in flight."""
        self.start = asyncio.get_running_loop().time()
        if "ws" in self.tallies:
            await self.sockets.open()
        self.start = asyncio.get_running_loop().time()
        paces = [asyncio.create_task(self._pace(kind)) for kind in self.tallies]
        await asyncio.gather(*paces)
        seconds = self.now()
        if self.running:
            await asyncio.wait(self.running)
        await self.sockets.close()
        for connection in itertools.chain.from_iterable(self.idle.values()):
            connection.close()
        return Results({kind: tally.result() for kind, tally in self.tallies.items()}, seconds, self.late)

    def stop(self) -> None:
        """Begin no further request."""
        self.stopped.set()

    async def _pace(self, kind: str) -> None:
        rate, tally = self.plan.rates[kind], self.tallies[kind]
        targets = itertools.cycle(self.plan.targets)
        for number in itertools.count():
            due = number / rate
            if due >= self.plan.seconds or (self.plan.count and self.begun >= self.plan.count):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), max(0.0, due - self.now()))
            if self.stopped.is_set():
                return
            self.late = max(self.late, self.now() - due)
            self.begun += 1
            tally.due(due)
            if len(self.running) >= self.plan.most:
                tally.bad("saturated", due, f"{self.plan.most} requests are in flight already")
                continue
            task = asyncio.create_task(self._one(kind, next(targets), due))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def _one(self, kind: str, target: Target, due: float) -> None:
        tally = self.tallies[kind]
        try:
            async with asyncio.timeout(self.plan.timeout):
                version = await (self.sockets.echo(target) if kind == "ws" else self._http(kind, target))
            tally.good(due, self.now(), version)
        except TimeoutError:
            tally.bad("timeout", self.now(), f"no whole answer in {self.plan.timeout:g} s")
        except Cut:
            tally.cut += 1
        except Lost as lost:
            tally.bad(lost.why, self.now(), str(lost))

    async def _http(self, kind: str, target: Target) -> str:
        connection = await self._connection(kind, target)
        try:
            answer = await self._send(kind, connection)
        except BaseException:
            connection.close()
            raise
        if kind != "close" and connection.usable and len(self.idle[target]) < _IDLE:
            self.idle[target].append(connection)
        else:
            connection.close()
        if not 200 <= answer.status < 300:
            raise Lost(f"status-{answer.status}", " ".join(answer.body[:80].decode("latin-1").split()))
        return answer.headers.get("x-version", "")

    async def _connection(self, kind: str, target: Target) -> Connection:
        """Return a connection: one that the server has closed meanwhile is passed over, for nothing was sent on it."""
        idle = self.idle[target]
        while kind != "close" and idle:
            connection = idle.pop(0)
            if connection.usable:
                return connection
            connection.close()
        return await Connection.open(target)

    async def _send(self, kind: str, connection: Connection) -> Answer:
        path = self.plan.path(kind)
        if kind != "post":
            answer = await connection.request("GET", path, close=kind == "close")
            if kind == "stream" and answer.status == 200 and not answer.body.endswith(b"end\n"):
                raise Lost("wrong", f"the stream ends with {answer.body[-20:]!r}")
            return answer
        body = os.urandom(self.plan.body // 2).hex().encode()
        answer = await connection.request("POST", path, body)
        if answer.status == 200 and answer.body != body:
            raise Lost("wrong", f"{len(answer.body)} bytes came back, not the {len(body)} that were sent")
        return answer
