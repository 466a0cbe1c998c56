"""Hold the connections to an environment's hosts for the life of one command."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import PartialFailure, ProviderError, StagecraftError
from stagecraft_hookspecs.values import Host

from stagecraft.remote.connection import Connection
from stagecraft.remote.host_keys import HostKeys
from stagecraft.remote.machine import RemoteMachine
from stagecraft.remote.route import Router
from stagecraft.remote.ssh import Dialer

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Lease

    from stagecraft.machine.scope import Scope
    from stagecraft.remote.engine import Engine
    from stagecraft.remote.lease import FleetLease

#: Hosts that are connected to at the same time.
_PARALLEL = 32


class Fleet:
    """Reach hosts by SSH; each is connected to on first use, once.

    Args:
        root: The project's folder, below which the keys of its hosts are kept.
        log: Told of first contacts.
    """

    def __init__(self, root: Path, log: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> None:
        self._router = Router(environ)
        self._dialer = Dialer(HostKeys(root / ".stagecraft" / "known_hosts", log))
        self._lock = threading.Lock()
        self._lease: FleetLease | None = None
        self._connections: dict[str, tuple[Connection, Engine]] = {}

    def machine(self, host: Host, scope: Scope) -> RemoteMachine:
        """Return a host as a machine whose commands ``scope`` interrupts."""
        connection, engine = self._of(host)
        return RemoteMachine(connection, engine, scope)

    def connection(self, host: Host) -> Connection:
        """Return what a host has open."""
        return self._of(host)[0]

    def connect_all(self, hosts: Iterable[Host]) -> None:
        """Connect to many hosts at the same time.

        Raises:
            StagecraftError: The one host's error, or one that has every failed host's.
        """
        wanted = sorted(set(hosts))
        self.on_each(wanted, lambda host: self.connection(host).foreman())

    def on_each(self, hosts: Iterable[Host], work: Callable[[Host], object]) -> None:
        """Do something on many hosts at the same time; errors are gathered, so that none hides another."""
        hosts = list(hosts)
        if not hosts:
            return
        failed: dict[str, StagecraftError] = {}

        def one(host: Host) -> None:
            try:
                work(host)
            except StagecraftError as error:
                failed[host.name] = error

        with ThreadPoolExecutor(min(_PARALLEL, len(hosts)), "stagecraft-hosts") as pool:
            for future in [pool.submit(one, host) for host in hosts]:
                future.result()
        if failed:
            raise gathered(failed, len(hosts))

    @contextlib.contextmanager
    def lease(
        self, homes: Mapping[Host, str], inner: Lease, wait: float, scope: Scope, *, ttl: float = 0.0, release: str = ""
    ) -> Iterator[FleetLease]:
        """Hold the environment's lock on hosts; see ``stagecraft.remote.lease``."""
        from stagecraft.remote.lease import TTL, lease

        known = {self.connection(host): home for host, home in homes.items()}
        with lease(known, inner, wait, scope, ttl=ttl or TTL, release=release) as held:
            self._lease = held
            try:
                yield held
            finally:
                self._lease = None

    def regain(self, host: Host, scope: Scope, seconds: float) -> None:
        """Take the lock of a host again if it was lost; see ``FleetLease.regain``. Without a lease, do nothing."""
        if self._lease is not None:
            self._lease.regain(self.connection(host), scope, seconds)

    def close(self) -> None:
        """End what runs on the hosts and close all connections."""
        with self._lock:
            known, self._connections = list(self._connections.values()), {}
        for connection, engine in known:
            engine.close()
            connection.close()
        self._dialer.close()

    def _of(self, host: Host) -> tuple[Connection, Engine]:
        from stagecraft.remote.engine import Engine

        with self._lock:
            if host.name not in self._connections:
                connection = Connection(host, self._router.route(host), self._dialer)
                self._connections[host.name] = (connection, Engine(connection))
            return self._connections[host.name]


def gathered(failed: Mapping[str, StagecraftError], total: int) -> StagecraftError:
    """Return one error for those of several hosts: the only one, or a summary that keeps each."""
    names = sorted(failed)
    first = failed[names[0]]
    if len(failed) == 1:
        return first
    detail = "\n".join(
        f"{name}: {failed[name].message}" + (f" ({failed[name].hint})" if failed[name].hint else "") for name in names
    )
    what = f"{len(failed)} of {total} hosts failed: {', '.join(names)}"
    kind = PartialFailure if len(failed) < total else ProviderError
    return kind(what, hint=first.hint, detail=detail)
