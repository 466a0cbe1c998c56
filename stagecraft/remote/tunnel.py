"""Carry one connection to a host's container engine: a socket here, `docker system dial-stdio` there."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, StagecraftError
from stagecraft_hookspecs.values import Command

from stagecraft.machine.calls import CallSocket
from stagecraft.remote.streams import LINGER, Stream

if TYPE_CHECKING:
    from stagecraft.remote.connection import Connection

_DIAL = Command(("docker", "system", "dial-stdio"))
_BLOCK = 1 << 16
_POLL = 0.5


class Tunnel:
    """Open one; it ends with either of its ends.

    Args:
        silence: Seconds without a byte in a call after which ``probe`` is asked.
        probe: Returns why the engine is taken to hang, or None when it answers others.

    Attributes:
        near: What the client speaks to.
    """

    def __init__(self, connection: Connection, silence: float, probe: Callable[[], StagecraftError | None]) -> None:
        self._connection, self._silence, self._probe = connection, silence, probe
        self._foreman = connection.foreman()
        ours, self._far = socket.socketpair()
        self.near = CallSocket(fileno=ours.detach())
        self.near.explain = self._explain
        self._error: StagecraftError | None = None
        self._over = False
        self._heard = 0.0

    def start(self) -> Tunnel:
        """Begin to carry, in a thread."""
        threading.Thread(target=self._carry, name=f"engine-{self._connection.host.name}", daemon=True).start()
        return self

    def close(self) -> None:
        """End it; the client's call fails."""
        with contextlib.suppress(OSError):
            self._far.shutdown(socket.SHUT_RDWR)

    def _carry(self) -> None:
        try:
            with Stream(self._connection, self._foreman, _DIAL) as stream:
                threading.Thread(target=self._send, args=(stream,), daemon=True).start()
                self._receive(stream)
        except StagecraftError as error:
            self._error = error
        except (OSError, EOFError):
            pass
        finally:
            self._over = True
            self.close()
            self._far.close()

    def _receive(self, stream: Stream) -> None:
        self._heard, ended = time.monotonic(), 0.0
        while not stream.ended and not (ended and time.monotonic() - ended > LINGER):
            data, _ = stream.receive(_POLL)
            if data:
                self._far.sendall(data)
                self._heard = time.monotonic()
            elif stream.reply.wait(0) and not ended:
                ended = time.monotonic()
            if self._over or not self._foreman.alive:
                return
            if self.near.busy and time.monotonic() - self._heard > self._silence:
                self._error = self._probe()
                if self._error is not None:
                    return
                self._heard = time.monotonic()

    def _send(self, stream: Stream) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            while data := self._far.recv(_BLOCK):
                stream.send(data)
                self._heard = time.monotonic()
            # the client has closed its connection, or only its own direction of it
            self._over = _hung_up(self._far)
        if self._over:
            stream.wake()
        stream.send_end()

    def _explain(self) -> None:
        """Raise why the connection ended, unless the engine or the client ended it."""
        if self._error is not None:
            raise self._error
        if not self._foreman.alive:
            host = self._connection.host.name
            if self._connection.leased is self._foreman:
                raise self._connection.fenced()
            raise ProviderError(
                f"the connection to {host} was lost while its container engine was asked; whether it did so is not known",
                hint="check the network and the host, then repeat the command",
            )


def _hung_up(far: socket.socket) -> bool:
    poll = select.poll()
    poll.register(far, select.POLLHUP)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
