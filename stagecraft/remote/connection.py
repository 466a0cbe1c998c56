"""Hold what one host has open for the life of a command: the SSH connection, the foreman, further sessions for streams."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import LockHeld, ProviderError
from stagecraft_hookspecs.values import Host

from stagecraft.remote.faults import about
from stagecraft.remote.foreman import Foreman

if TYPE_CHECKING:
    from fabric import Connection as Ssh
    from paramiko import Channel, Transport

    from stagecraft.remote.route import Route
    from stagecraft.remote.ssh import Dialer

#: Sessions per SSH connection beside the foreman's; sshd's MaxSessions is ten unless set otherwise.
_STREAMS = 8
#: Bytes that the foreman's session may have on their way to us; answers to signs of life queue behind them.
_WINDOW = 1 << 19


class Connection:
    """Reach one host.

    Args:
        dialer: Opens SSH connections.
        route: How the host is reached.
    """

    def __init__(self, host: Host, route: Route, dialer: Dialer) -> None:
        self.host, self.route, self._dialer = host, route, dialer
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        # many that want a session at once share a further connection, rather than opening one each
        self._growing = threading.Lock()
        self._foreman: Foreman | None = None
        self._closed = False
        #: The foreman that has the lease; once it is lost nothing more is run.
        self.leased: Foreman | None = None

    def foreman(self) -> Foreman:
        """Return the host's shell, connecting on first use, and again when the connection was lost without a lease.

        Raises:
            LockHeld: The lease of this host was lost.
            ProviderError: The host cannot be reached.
        """
        with self._lock:
            if self.leased is not None and not self.leased.alive:
                raise self.fenced()
            if self._foreman is None or not self._foreman.alive:
                if self._closed:
                    raise ProviderError(f"the connection to {self.host.name} is closed")
                self._foreman = self._open()
            return self._foreman

    def reopen(self) -> Foreman:
        """Connect anew and return a shell that nobody else gets until it is adopted."""
        with self._lock:
            if self._closed:
                raise ProviderError(f"the connection to {self.host.name} is closed")
            return self._open()

    def adopt(self, foreman: Foreman) -> None:
        """Let commands run in a shell that has taken the lease again."""
        with self._lock:
            self._foreman = self.leased = foreman

    def relax(self, foreman: Foreman) -> None:
        """Have signs of life sent and expected as without a lease."""
        foreman.expect(self.route.interval, self.route.interval * self.route.misses)

    def fenced(self) -> LockHeld:
        """Return the error of whoever acts after its lease ended."""
        return LockHeld(
            f"the lock was lost on {self.host.name}: the host has not heard of this command in time, or somebody broke it",
            hint="nothing more is changed there; see `stagecraft lock status`, then `stagecraft deploy --resume` or `--abort`",
        )

    @contextlib.contextmanager
    def session(self) -> Iterator[Channel]:
        """Give a session beside the foreman's; where the server allows no more, over a further SSH connection."""
        link, channel = self._session()
        try:
            yield channel
        finally:
            with contextlib.suppress(Exception):
                channel.close()
            with self._lock:
                link.used -= 1

    def transport(self) -> Transport:
        """Return the SSH transport, connected, for channels that are no sessions."""
        self.foreman()
        with self._lock:
            return self._links[0].ssh.transport

    def close(self) -> None:
        """End the foreman and all that it runs, and close every connection."""
        with self._lock:
            self._closed = True
            foreman, links = self._foreman, self._links
            self._links = []
        if foreman is not None:
            foreman.end()
        for link in links:
            with contextlib.suppress(Exception):
                link.ssh.close()

    def _open(self) -> Foreman:
        for link in self._links:
            with contextlib.suppress(Exception):
                link.ssh.close()
        ssh = self._dialer.dial(self.route)
        self._links = links = [_Link(ssh, _STREAMS)]
        limit = self.route.interval * self.route.misses
        foreman = Foreman(self._channel(ssh, _WINDOW), self.route.interval, limit, lambda: _close(links))
        try:
            foreman.start()
        except ProviderError as error:
            ssh.close()
            raise about(error, f"{self.host.name} ({self.route.where}): ") from error
        return foreman

    def _session(self) -> tuple[_Link, Channel]:
        from paramiko import ChannelException

        self.foreman()
        while True:
            with self._growing:
                link = self._free()
                if link is None:
                    link = _Link(self._dialer.dial(self.route), _STREAMS, 1)
                    with self._lock:
                        self._links.append(link)
            try:
                with link.opening:
                    return link, self._channel(link.ssh)
            except ChannelException:
                with self._lock:
                    link.used -= 1
                    link.limit = link.used
                if link is not self._links[0] and not link.limit:
                    raise ProviderError(
                        f"{self.host.name} allows no session", hint="check MaxSessions of its SSH server"
                    ) from None

    def _free(self) -> _Link | None:
        """Return a connection that carries one session more, which is counted at once."""
        with self._lock:
            link = next((k for k in self._links if k.used < k.limit and k.ssh.is_connected), None)
            if link is not None:
                link.used += 1
            return link

    def _channel(self, ssh: Ssh, window: int | None = None) -> Channel:
        from paramiko import ChannelException, SSHException

        try:
            return ssh.transport.open_session(window_size=window, timeout=self.route.timeout)
        except ChannelException:
            raise
        except (SSHException, EOFError, OSError) as error:
            raise ProviderError(
                f"{self.host.name} ({self.route.where}) gave no session: {error or type(error).__name__}",
                hint="check the host's SSH server and its log",
            ) from error


class _Link:
    """One SSH connection and how many sessions it carries."""

    def __init__(self, ssh: Ssh, limit: int, used: int = 0) -> None:
        self.ssh, self.limit, self.used = ssh, limit, used
        # why one of several that are opened at once was refused is not to be told from why another was
        self.opening = threading.Lock()


def _close(links: list[_Link]) -> None:
    """Close what goes with a shell that has ended, in threads: waiting for a peer that is gone would take for ever."""
    for link in list(links):
        if link.ssh.transport is not None:
            threading.Thread(target=_quietly, args=(link.ssh.transport.close,), daemon=True).start()


def _quietly(close: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        close()
