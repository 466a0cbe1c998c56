"""Which port a process is to listen on, whether one is taken, and by whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Ready

_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104
_LISTEN = "0A"


@attrs.frozen
class Owner:
    """Name the process that listens on a port; pid 0 when the system does not tell."""

    pid: int = 0
    command: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})" if self.pid else "a process that this user may not see"


def local_port(ready: Ready) -> int:
    """Return the port of this machine at which readiness is looked for; 0 for none."""
    if ready.port or not ready.url:
        return ready.port
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(ready.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        return port if parts.hostname in _LOCAL else 0
    except ValueError:
        return 0


def accepts(port: int, timeout: float = 0.5) -> bool:
    """Tell whether this machine's port accepts connections, on IPv4 or IPv6: servers on ``localhost`` choose either."""
    import socket

    for address in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((address, port), timeout):
                return True
        except OSError:
            continue
    return False


def taken(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    return bool(_inodes(port)) or accepts(port)


def owner(port: int) -> Owner:
    """Return who listens on a port, as ``/proc`` tells it."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(port)}
    for pid in pids() if inodes else ():
        try:
            for entry in os.scandir(f"/proc/{pid}/fd"):
                if str(Path(entry.path).readlink()) in inodes:
                    return Owner(pid, command_of(pid))
        except OSError:
            continue
    return Owner()


def pids() -> Iterator[int]:
    """Yield the pids that ``/proc`` lists; none where there is no ``/proc``."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    yield from sorted(int(name) for name in names if name.isdigit())


def command_of(pid: int) -> str:
    """Return the name of a process's command and its script; further arguments may hold somebody's secret."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if words[0]:
            script = [w for w in words[1:2] if w and not w.startswith("-")]
            return " ".join([Path(words[0]).name, *script])
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _inodes(port: int) -> set[str]:
    """Return the sockets that listen on a port, by inode. Format: ``proc_net_tcp`` of the kernel's documentation."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as stream:
                rows = [line.split() for line in stream][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port:
                found.add(row[9])
    return found
