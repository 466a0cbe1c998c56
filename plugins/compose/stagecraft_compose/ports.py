"""Look at ports: what a container publishes, what listens inside it, and who holds a port of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_LISTEN = "0A"


def targets(raw: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the container's TCP ports that are published; pure."""
    bindings = (raw.get("HostConfig") or {}).get("PortBindings") or {}
    return tuple(sorted({int(p.partition("/")[0]) for p in bindings if p.endswith("/tcp")}))


def exposed(raw: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the container's TCP ports that the image or the compose file declares; pure."""
    declared = (raw.get("Config") or {}).get("ExposedPorts") or {}
    return tuple(sorted({int(p.partition("/")[0]) for p in declared if p.endswith("/tcp")}))


def listeners(tables: Iterable[str]) -> tuple[tuple[str, int, str], ...]:
    """Return listening TCP sockets as (address, port, inode), from the text of ``/proc/net/tcp`` and ``tcp6``; pure.

    An address that means every one is empty. Docker's own DNS resolver in a container, 127.0.0.11, is left out.
    """
    found = []
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) < 10 or fields[3] != _LISTEN:
                continue
            raw, _, port = fields[1].rpartition(":")
            if raw != "0B00007F":
                found.append((_address(raw), int(port, 16), fields[9]))
    return tuple(found)


def overlap(one: str, other: str) -> bool:
    """Tell whether two addresses cannot both be bound to the same port; pure."""
    every = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return one in every or other in every or one == other


def _address(raw: str) -> str:
    """Return an IPv4 address from its hexadecimal form, which has the last byte first; empty for every one and for IPv6."""
    if len(raw) != 8 or raw == "00000000":
        return ""
    return ".".join(str(b) for b in reversed(bytes.fromhex(raw)))


def listening(raw: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the TCP ports that something listens on inside a running container; None where this machine cannot see
    it.
    """
    pid = raw["State"].get("Pid") or 0
    if not pid or not _is_ours(raw, pid):
        return None
    tables = _tables(Path("/proc") / str(pid) / "net")
    return tuple(sorted({port for _, port, _ in listeners(tables)})) if tables else None


def in_text(text: str) -> tuple[int, ...]:
    """Return the listening ports from both tables printed one after the other; pure."""
    return tuple(sorted({port for _, port, _ in listeners((f"\n{text}",))}))


def _is_ours(raw: Mapping[str, Any], pid: int) -> bool:
    """Tell whether the process of that id on this machine is the container's: the engine may run elsewhere."""
    try:
        return (
            raw["Id"] in (Path("/proc") / str(pid) / "cgroup").read_text()
            or raw["Id"] in (Path("/proc") / str(pid) / "mountinfo").read_text()
        )
    except OSError:
        return False


def _tables(folder: Path) -> tuple[str, ...]:
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found.append((folder / name).read_text())
        except OSError:
            continue
    return tuple(found)


def holder(address: str, port: int) -> str:
    """Return who listens on a TCP port of this machine: ``process nginx (pid 12)``, ``another process``, or nothing."""
    sockets = listeners(_tables(Path("/proc/net")))
    inodes = {f"socket:[{inode}]" for at, number, inode in sockets if number == port and overlap(at, address)}
    if not inodes:
        return ""
    for process in sorted(Path("/proc").glob("[0-9]*")):
        if any(_link(fd) in inodes for fd in _children(process / "fd")):
            return f"process {_name(process)} (pid {process.name})"
    return "another process"


def _children(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(folder.iterdir())
    except OSError:
        return ()


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "unknown"
