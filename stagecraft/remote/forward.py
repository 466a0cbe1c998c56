"""Lend this machine a port of its own that leads to an address as a host sees it, over the host's SSH connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError

if TYPE_CHECKING:
    from paramiko import Channel, Transport

#: Bytes moved at a time; seconds for the host to reach the address.
_CHUNK, _PATIENCE = 1 << 16, 10.0


@contextlib.contextmanager
def forward(transport: Transport, name: str, address: str, port: int) -> Iterator[tuple[str, int]]:
    """Give a loopback address whose connections come out on the host and go on to ``address:port``.

    It is there for the block alone. The address is tried before it is given, and the first connection takes what that opened, so
    that the other end sees no connection that says nothing.

    Args:
        name: What messages call the host.

    Raises:
        ProviderError: The host does not reach the address, or its SSH server forwards nothing.
    """

    def dial() -> Channel:
        return _dial(transport, name, address, port)

    tunnels = _Tunnels(dial, dial())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=tunnels.serve, args=(listener,), name=f"forward-{name}", daemon=True).start()
        try:
            yield listener.getsockname()
        finally:
            tunnels.close()
            with contextlib.suppress(OSError):
                # wakes the thread that waits in accept()
                listener.shutdown(socket.SHUT_RDWR)


class _Tunnels:
    """Carry each connection that is made to the listener."""

    def __init__(self, dial: Callable[[], Channel], first: Channel) -> None:
        self._dial, self._spare = dial, [first]
        self._lock = threading.Lock()
        self._open: list[Channel | socket.socket] = [first]
        self._closed = False

    def serve(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            self._closed = True
            ending, self._open = self._open, []
        for end in ending:
            _shut(end)

    def _carry(self, near: socket.socket) -> None:
        try:
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = self._take()
        except (ProviderError, OSError):
            # the client sees its connection end; the next try to open one says why
            near.close()
            return
        with self._lock:
            late = self._closed
            self._open += [near, far]
        if late:
            _shut(near)
            _shut(far)
            return
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        _shut(near)
        _shut(far)
        with self._lock:
            self._open = [end for end in self._open if end is not near and end is not far]

    def _take(self) -> Channel:
        with self._lock:
            spare = self._spare.pop() if self._spare else None
        return spare if spare is not None and not spare.closed else self._dial()


def _dial(transport: Transport, name: str, address: str, port: int) -> Channel:
    from paramiko import ChannelException, SSHException

    try:
        return transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=_PATIENCE)
    except ChannelException as error:
        if error.code == 1:
            raise ProviderError(
                f"the SSH server of {name} forwards no connections, so {address}:{port} is out of reach",
                hint=f"set `AllowTcpForwarding local` in its sshd_config, or migrate with a command that runs on {name}",
            ) from None
        raise ProviderError(
            f"{name} does not reach {address}:{port}: {error.text or 'refused'}",
            hint=f"see that it listens there, and that nothing between it and {name} keeps the connection out",
        ) from None
    except (SSHException, EOFError, OSError) as error:
        raise ProviderError(
            f"{name} does not reach {address}:{port}: {error or 'no answer in time'}",
            hint=f"see that {name} is up and reaches it",
        ) from None


def _pump(source: Channel | socket.socket, sink: Channel | socket.socket) -> None:
    """Move bytes until the source ends, then let the sink know that no more will come."""
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        sink.shutdown(socket.SHUT_WR)


def _shut(end: Channel | socket.socket) -> None:
    with contextlib.suppress(OSError, EOFError):
        # a thread that reads from it wakes up
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError, EOFError):
        end.close()
