"""Look at ports: what a container publishes, and what listens inside it or on its host. All pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        for line in table.splitlines():
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


def in_text(text: str) -> tuple[int, ...]:
    """Return the listening ports from both tables printed one after the other; pure."""
    return tuple(sorted({port for _, port, _ in listeners((f"\n{text}",))}))
