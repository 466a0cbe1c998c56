"""Open SSH connections: paced per server, tried again only before anybody logged in, each failure in its own words."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, StagecraftError

from stagecraft.remote.auth import Keyring, Login
from stagecraft.remote.faults import about, explain

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Transport

    from stagecraft.remote.host_keys import HostKeys
    from stagecraft.remote.route import Route

#: Handshakes that one server has open at once; sshd begins to drop at ten.
AT_ONCE = 5
_ATTEMPTS = 5
_AUTH_TIMEOUT = 20.0
_TCP_NOTSENT_LOWAT = 25
_KEX = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256")
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")


class Dialer:
    """Open connections for one command.

    Args:
        keys: Verifies servers.
    """

    def __init__(self, keys: HostKeys) -> None:
        self._keys, self._keyring = keys, Keyring()
        self._lock = threading.Lock()
        self._gates: dict[tuple[str, int], threading.BoundedSemaphore] = {}
        self._bastions: dict[Route, Connection] = {}
        self._opening: dict[Route, threading.Lock] = {}
        self._proxies: list[subprocess.Popen[bytes]] = []
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        logging.getLogger("paramiko").propagate = False

    def dial(self, route: Route) -> Connection:
        """Return an open connection; its bastions are opened on first use and shared.

        Raises:
            ProviderError: It cannot be reached, or accepts no key.
            Refused: It showed another key than the one it is known by.
        """
        bastion = self._bastion(route.jumps[-1]) if route.jumps else None
        for attempt in range(_ATTEMPTS):
            try:
                return self._once(route, bastion)
            except _Dropped as dropped:
                if attempt == _ATTEMPTS - 1:
                    raise explain(dropped.cause, route) from dropped.cause
            time.sleep(0.1 * 2**attempt * (1 + random.random()))  # noqa: S311
        raise AssertionError

    def close(self) -> None:
        """Close the bastions and end the proxy commands."""
        for connection in reversed(list(self._bastions.values())):
            with contextlib.suppress(Exception):
                connection.close()
        for process in self._proxies:
            with contextlib.suppress(OSError):
                process.terminate()
            process.wait()

    def _bastion(self, route: Route) -> Connection:
        with self._lock:
            lock = self._opening.setdefault(route, threading.Lock())
        with lock:
            known = self._bastions.get(route)
            if known is None or not known.is_connected:
                try:
                    self._bastions[route] = known = self.dial(route)
                except ProviderError as error:
                    raise about(error, "jump host: ") from error
                known.transport.set_keepalive(round(route.interval))
            return known

    def _once(self, route: Route, bastion: Connection | None) -> Connection:
        from fabric import Config, Connection
        from paramiko import SSHConfig

        login = Login(route, self._keyring)
        connection = Connection(
            route.address,
            route.user,
            route.port,
            # what the configuration files say has been resolved by us
            config=Config(ssh_config=SSHConfig(), lazy=True),
            gateway=bastion,
            connect_timeout=max(1, round(route.timeout)),
            connect_kwargs={
                "transport_factory": self._transport(route),
                "auth_strategy": login,
                "banner_timeout": route.timeout,
                "channel_timeout": route.timeout,
                "auth_timeout": _AUTH_TIMEOUT,
                **({"sock": self._proxy(route)} if route.proxy_command else {}),
            },
        )
        connection.client.set_missing_host_key_policy(_Policy(self._keys, route))
        with self._turn(route):
            try:
                connection.open()
            except StagecraftError:
                _shut(connection)
                raise
            except Exception as error:
                _shut(connection)
                if login.begun or not _dropped(error):
                    raise explain(error, route) from error
                raise _Dropped(error) from error
        return connection

    def _proxy(self, route: Route) -> socket.socket:
        """Start the user's ProxyCommand, which is a line for the user's shell, with a socket as both its streams."""
        near, far = socket.socketpair()
        with far:
            shell = os.environ.get("SHELL") or "/bin/sh"
            streams = far.fileno()
            process = subprocess.Popen(
                [shell, "-c", f"exec {route.proxy_command}"], stdin=streams, stdout=streams, stderr=subprocess.DEVNULL
            )
        self._proxies.append(process)
        return near

    @contextlib.contextmanager
    def _turn(self, route: Route) -> Iterator[None]:
        with self._lock:
            gate = self._gates.setdefault((route.address, route.port), threading.BoundedSemaphore(AT_ONCE))
        with gate:
            yield

    def _transport(self, route: Route) -> Callable[..., Transport]:
        kinds = self._keys.kinds(route)

        def make(sock: Any, **options: Any) -> Transport:
            from paramiko import Transport

            if isinstance(sock, socket.socket) and sock.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    # signs of life must not queue behind megabytes in the kernel
                    sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, 1 << 17)
            transport = Transport(sock, **options)
            security = transport.get_security_options()
            security.kex = _first(security.kex, _KEX)
            security.ciphers = _first(security.ciphers, _CIPHERS)
            security.key_types = _first(security.key_types, [k for kind in kinds for k in _algorithms(kind)])
            return transport

        return make


class _Dropped(Exception):
    """The server, or something before it, ended the handshake before anybody logged in."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Policy:
    """Hand a server's key to what verifies it; the connection itself knows no keys."""

    def __init__(self, keys: HostKeys, route: Route) -> None:
        self._keys, self._route = keys, route

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        self._keys.verify(self._route, key)


def _dropped(error: Exception) -> bool:
    from paramiko import ChannelException, IncompatiblePeer, SSHException

    if isinstance(error, (ChannelException, IncompatiblePeer)):
        return False
    return isinstance(error, (SSHException, EOFError, ConnectionResetError, BrokenPipeError))


def _shut(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        connection.client.close()


def _first(offered: Any, wanted: Any) -> list[str]:
    return [*(w for w in dict.fromkeys(wanted) if w in offered), *(o for o in offered if o not in wanted)]


def _algorithms(kind: str) -> list[str]:
    return ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]


def now() -> float:
    """Return seconds on a clock that goes on while this machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
