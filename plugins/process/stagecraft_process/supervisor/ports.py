"""Find free ports, tell who holds one, and listen on one."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping


def free(targets: Iterable[int], former: Mapping[int, int] | None = None) -> dict[int, int]:
    """Return a free loopback port for each container port; the former one where it is still free."""
    held: list[socket.socket] = []
    try:
        return {target: _one((former or {}).get(target, 0), held) for target in targets}
    finally:
        for sock in held:
            sock.close()


def _one(wanted: int, held: list[socket.socket]) -> int:
    for port in (wanted, 0) if wanted else (0,):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.append(sock)
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return int(sock.getsockname()[1])
    raise OSError("no free port is left on 127.0.0.1")


def bind(address: str, port: int) -> socket.socket:
    """Return a socket bound to an address but not yet listening: the port is ours, and clients are still refused.

    Raises:
        OSError: Somebody else has the port; the text names who, where that can be seen.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        who = owner(port)
        reason = f"is taken by {who}" if who else f"cannot be used: {os.strerror(error.errno or 0)}"
        raise OSError(error.errno, f"port {port} on {address} {reason}") from None
    return sock


def owner(port: int) -> str:
    """Return ``PID (command)`` of the process that listens on a port, or an empty string where it cannot be seen."""
    inodes = {inode for inode, listening in _sockets() if listening == port}
    return _holder(inodes) if inodes else ""


def listening(leader: int) -> list[int]:
    """Return the ports on which a process or another one of its session listens, sorted."""
    mine: set[str] = set()
    for pid in _session(leader):
        mine |= _inodes(pid)
    return sorted({port for inode, port in _sockets() if inode in mine})


def _sockets() -> list[tuple[str, int]]:
    found = []
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(name) as stream:
            for line in stream.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":  # TCP_LISTEN
                    found.append((fields[9], int(fields[1].rpartition(":")[2], 16)))
    return found


def _pids() -> list[int]:
    return [int(n) for n in os.listdir("/proc") if n.isdigit()] if os.path.isdir("/proc/self") else []


def _session(leader: int) -> list[int]:
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found


def _inodes(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _holder(inodes: set[str]) -> str:
    for pid in _pids():
        if _inodes(pid) & inodes:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as stream:
                return f"process {pid} ({stream.read().strip()})"
    return ""
