"""Let calls of a container engine end with their scope, though its client library blocks in them and asks nobody."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from docker.transport import UnixHTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

if TYPE_CHECKING:
    from docker import DockerClient

    from stagecraft.machine.scope import Scope

#: Open connections that are kept for the next call.
_KEPT = 8


class CallSocket(socket.socket):
    """One connection to an engine: it is shut when the scope of its call is cancelled, and then says why.

    Attributes:
        busy: Whether a call is under way on it.
    """

    _scope: Scope | None = None
    _forget: Callable[[], None] | None = None
    #: Raises what is known about why the connection ended, besides the scope.
    explain: Callable[[], None] | None = None
    busy = False

    def begin(self, scope: Scope) -> None:
        """Bind the connection to the scope of the call that it carries next."""
        self.end()
        self._scope, self.busy = scope, True
        self._forget = scope.on_cancel(self.cut)

    def end(self) -> None:
        """Take note that the call is over."""
        forget, self._forget, self._scope, self.busy = self._forget, None, None, False
        if forget is not None:
            forget()

    def cut(self) -> None:
        """Wake whoever reads or writes."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def recv_into(self, *args: Any) -> int:
        """Read; raises the reason when the call was cut."""
        try:
            count = super().recv_into(*args)
        except OSError:
            self._check()
            raise
        if not count:
            self._check()
        return count

    def recv(self, *args: Any) -> bytes:
        """Read; raises the reason when the call was cut."""
        try:
            data = super().recv(*args)
        except OSError:
            self._check()
            raise
        if not data:
            self._check()
        return data

    def sendall(self, *args: Any) -> None:
        """Write; raises the reason when the call was cut."""
        try:
            super().sendall(*args)
        except OSError:
            self._check()
            raise

    def _real_close(self, *args: Any) -> None:
        # not `close`: a response goes on to read after its connection was closed
        self.end()
        super()._real_close(*args)  # type: ignore[misc]

    def _check(self) -> None:
        if self._scope is not None:
            self._scope.check()
        if self.explain is not None:
            self.explain()


Dial = Callable[["Scope"], CallSocket]


class Calls:
    """Make clients of one engine, each for a scope; they share the connections that are open.

    Args:
        dial: Opens a connection.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue(_KEPT)
        for _ in range(_KEPT):
            self._idle.put(None)

    def client(self, scope: Scope, version: str, timeout: int) -> DockerClient:
        """Return a client that speaks a version of the engine's protocol; nothing is sent yet."""
        import docker

        # the address is never used: the adapter below opens the connections
        client = docker.DockerClient(base_url="unix:///engine", version=version, timeout=timeout)
        client.api.mount("http+docker://", _Adapter(_Pool(self._dial, self._idle, scope, timeout)))
        return client

    def newest(self, scope: Scope, timeout: int) -> str:
        """Return the newest version of the protocol that the engine speaks, having asked it."""
        import docker.constants

        asking = self.client(scope, docker.constants.MINIMUM_DOCKER_API_VERSION, timeout)
        return str(asking.api.version(api_version=False)["ApiVersion"])

    def close(self) -> None:
        """Close the connections that carry no call."""
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._idle.get_nowait()
                if connection is not None:
                    connection.close()


class _Adapter(UnixHTTPAdapter):  # type: ignore[misc, unused-ignore]
    def __init__(self, pool: _Pool) -> None:
        super().__init__("http+unix:///engine")
        self._pool = pool

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        return self._pool


class _Pool(HTTPConnectionPool):
    """Bind each connection to a scope while a call has it."""

    def __init__(self, dial: Dial, idle: queue.LifoQueue[Any], scope: Scope, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=1)
        self.pool, self._dial, self._scope = idle, dial, scope

    def _new_conn(self) -> Any:
        return _Connection(self._dial, self.timeout)

    def _get_conn(self, timeout: float | None = None) -> Any:
        self._scope.check()
        connection: Any = super()._get_conn(timeout)
        connection.scope = self._scope
        if connection.sock is not None:
            connection.sock.begin(self._scope)
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None and conn.sock is not None:
            conn.sock.end()
        super()._put_conn(conn)


class _Connection(HTTPConnection):
    scope: Scope

    def __init__(self, dial: Dial, timeout: Any) -> None:
        super().__init__("localhost", timeout=timeout)
        self._dial = dial

    def connect(self) -> None:
        sock = self._dial(self.scope)
        sock.begin(self.scope)
        sock.settimeout(self.timeout)
        self.sock = sock
