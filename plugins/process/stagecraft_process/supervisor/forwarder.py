"""Forward TCP connections from a listening port to the instance that serves, byte for byte.

Both directions keep back-pressure (a side that cannot take more stops the reading of the other) and half-closes (the
end of one direction leaves the other open). A connection stays with its instance until it ends.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from functools import partial
from typing import Protocol, cast

from stagecraft_process.supervisor.http1 import Exchange
from stagecraft_process.supervisor.model import Instance

#: Seconds for which a new connection waits for an instance that answers.
HOLD = 10.0
_RETRY = 0.02


class Route(Protocol):
    """Say where connections go at the moment."""

    def candidates(self) -> list[tuple[Instance, int]]:
        """Return the instances to try, best first, with their port."""
        ...


class Connection(asyncio.Protocol):
    """Be the client's side of a forwarded connection."""

    __slots__ = ("_early", "_ends", "_route", "_task", "client", "exchange", "instance", "leave", "quiet_since", "up")

    def __init__(self, route: Route) -> None:
        self._route = route
        self.client: asyncio.Transport
        self.up: asyncio.Transport | None = None
        self.instance: Instance | None = None
        self.exchange = Exchange()
        self.leave = False
        self.quiet_since = 0.0
        self._ends = 0
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client and look for an instance; its bytes wait in the kernel meanwhile."""
        self.client = cast("asyncio.Transport", transport)
        self.client.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HOLD
        while not self.client.is_closing():
            for instance, port in self._route.candidates():
                instance.connections.add(self)  # before it is open, so that the instance is not stopped meanwhile
                self.instance = instance
                try:
                    await loop.create_connection(partial(Upstream, self), instance.address, port)
                    return
                except OSError:
                    instance.connections.discard(self)
            if loop.time() > deadline:
                reset(self.client)
                return
            await asyncio.sleep(_RETRY)

    def data_received(self, data: bytes) -> None:
        """Pass the client's bytes on."""
        self.quiet_since = 0.0
        self.exchange.request(data)
        if self.up:
            self.up.write(data)
            return
        # Early releases of Python 3.11 (Debian 12 has 3.11.2) begin to read although connection_made has paused it:
        # keep what came, and pause in earnest.
        self._early += data
        self.client.resume_reading()
        self.client.pause_reading()

    def join(self, up: asyncio.Transport) -> None:
        """Begin to forward: first what has come too early, then what comes."""
        self.up = up
        if self._early:
            up.write(self._early)
            self._early = b""
        if self._ends:
            up.write_eof()
        else:
            self.client.resume_reading()

    def eof_received(self) -> bool:
        """Pass the end of the client's direction on and keep the other open."""
        return self.half_closed(self.up)

    def half_closed(self, other: asyncio.Transport | None) -> bool:
        """Note that one direction has ended; tell whether the side it came from stays open for the other direction."""
        self._ends += 1
        if self._ends == 2:
            if other:
                other.close()
            return False
        if other and not other.is_closing():
            other.write_eof()
        return True

    def pause_writing(self) -> None:
        """Stop reading from the instance: the client takes no more."""
        if self.up:
            self.up.pause_reading()

    def resume_writing(self) -> None:
        """Read from the instance again."""
        if self.up and not self.up.is_closing():
            self.up.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the instance's side."""
        self._task.cancel()
        if self.instance:
            self.instance.connections.discard(self)
        if self.up:
            reset(self.up) if exc else self.up.close()

    def idle_for(self, seconds: float) -> bool:
        """Tell whether the connection is between two HTTP exchanges and has been for some time."""
        if not (self.exchange.http and self.exchange.idle):
            return False
        now = time.monotonic()
        self.quiet_since = self.quiet_since or now
        return now - self.quiet_since >= seconds

    def close(self) -> None:
        """End the connection, sending first what is still to be sent."""
        self.client.close()


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that the other side sees a reset, not an orderly end that could pass for a whole answer."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Upstream(asyncio.Protocol):
    """Be the instance's side of a forwarded connection."""

    __slots__ = ("_down",)

    def __init__(self, down: Connection) -> None:
        self._down = down

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the two sides; nothing to join if the client has left meanwhile."""
        opened = cast("asyncio.Transport", transport)
        if self._down.client.is_closing():
            opened.abort()
            return
        self._down.join(opened)

    def data_received(self, data: bytes) -> None:
        """Pass the instance's bytes on."""
        down = self._down
        down.quiet_since = 0.0
        down.client.write(down.exchange.response(data, leave=down.leave))

    def eof_received(self) -> bool:
        """Pass the end of the instance's direction on and keep the other open."""
        return self._down.half_closed(self._down.client)

    def pause_writing(self) -> None:
        """Stop reading from the client: the instance takes no more."""
        self._down.client.pause_reading()

    def resume_writing(self) -> None:
        """Read from the client again."""
        if not self._down.client.is_closing():
            self._down.client.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the client's side."""
        reset(self._down.client) if exc else self._down.client.close()
