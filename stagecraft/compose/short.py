"""Read compose's short notations for ports, volumes and devices into their long form."""

from __future__ import annotations

import re
from typing import Any

_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}\Z")
_PROPAGATIONS = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})


def ports(spec: str) -> list[dict[str, Any]]:
    """Read `[[ip:]published:]target[/protocol]`, where a range gives one entry for each port, sorted as text."""
    *front, last = spec.split(":")
    target, _, protocol = last.partition("/")
    protocol = (protocol.partition("/")[0] or "tcp").lower()
    published = front[-1] if front else ""
    host_ip = _host_ip(":".join(front[:-1]))
    if not target:
        raise ValueError(f"`{spec}` names no container port")
    first, last_port = _port_range(target, spec)
    host_first, host_last = _port_range(published, spec) if published else (0, 0)
    if published and last_port - first != host_last - host_first and last_port != first:
        raise ValueError(f"the ranges in `{spec}` differ in length")
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(f"`{spec}` has an unknown protocol; use tcp, udp or sctp")
    entries = {}
    for offset in range(last_port - first + 1):
        entry: dict[str, Any] = {"mode": "ingress", "target": first + offset, "protocol": protocol}
        if host_ip:
            entry["host_ip"] = host_ip
        if published:
            entry["published"] = str(host_first + offset)
            if first == last_port and host_first != host_last:
                entry["published"] += f"-{host_last}"
        entries[f"{first + offset}/{protocol}"] = entry
    return [entries[key] for key in sorted(entries)]


def _port_range(text: str, spec: str) -> tuple[int, int]:
    parts = text.split("-")
    if not all(part.isdigit() and part.isascii() and len(part) < 20 and int(part) < 65536 for part in parts[:2]):
        raise ValueError(f"`{spec}` is not a port mapping")
    first, last = int(parts[0]), int(parts[-1] if len(parts) < 2 else parts[1])
    if last < first:
        raise ValueError(f"the port range in `{spec}` ends before it starts")
    return first, last


def _host_ip(text: str) -> str:
    if text.startswith("["):
        if not text.endswith("]") or text.count("[") != 1 or text.count("]") != 1:
            raise ValueError(f"`{text}` is not an IP address")
        text = text[1:-1]
    elif ":" in text:
        raise ValueError(f"`{text}` needs brackets, as every IPv6 address here")
    if text and not _IPV4.match(text) and not _is_ipv6(text):
        raise ValueError(f"`{text}` is not an IP address")
    return text


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        return "%" not in text and bool(IPv6Address(text) is not None)
    except ValueError:
        return False


def volume(spec: str) -> dict[str, Any]:
    """Read `[source:]target[:options]`; a source that looks like a path is a bind mount."""
    if not spec:
        raise ValueError("a volume cannot be empty")
    if len(spec.encode()) <= 2:
        return {"type": "volume", "target": clean(spec)}
    entry: dict[str, Any] = {}
    bind: dict[str, Any] = {}
    fields = _fields(spec)
    if any(not field for field in fields):
        raise ValueError(f"`{spec}` has an empty part between colons")
    if len(fields) > 3:
        raise ValueError(f"`{spec}` has too many colons")
    if len(fields) > 1:
        entry["source"] = fields[0]
    entry["target"] = clean(fields[min(1, len(fields) - 1)])
    nocopy = False
    for option in fields[2].split(",") if len(fields) > 2 else ():
        if option in ("ro", "rw"):
            entry["read_only"] = option == "ro"
        elif option == "nocopy":
            nocopy = True
        elif option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in ("z", "Z"):
            bind["selinux"] = option
    if not entry.get("read_only", True):
        del entry["read_only"]
    if _is_path(entry.get("source", "")):
        entry |= {"type": "bind", "bind": {**bind, "create_host_path": True}}
        if nocopy:
            entry["volume"] = {"nocopy": True}
    else:
        entry |= {"type": "volume", "volume": {"nocopy": True} if nocopy else {}}
        if bind:
            entry["bind"] = bind
    return entry


def volume_target(spec: str) -> str:
    """Return the container path of a short volume as it is written."""
    fields = _fields(spec)
    return fields[min(1, len(fields) - 1)]


def _fields(spec: str) -> list[str]:
    """Split at colons, but not behind a single letter that begins a field: that is a Windows drive."""
    fields, field = [], ""
    for character in spec:
        if character == ":" and not (len(field) == 1 and field.isalpha()):
            fields.append(field)
            field = ""
        else:
            field += character
    return [*fields, field]


def _is_path(source: str) -> bool:
    return (source[:1] in (".", "/", "~") and source != "") or source.startswith("\\\\") or _has_drive(source)


def _has_drive(source: str) -> bool:
    return len(source) > 1 and source[0].isalpha() and source[1] == ":"


def device(spec: str) -> dict[str, Any]:
    """Read `source[:target[:permissions]]`."""
    parts = spec.split(":")
    if len(parts) > 3:
        raise ValueError(f"`{spec}` has too many colons; use the long form")
    source, target, permissions = (*parts, *("", "", "")[len(parts) :])
    return {
        "source": source,
        "target": target or source,
        "permissions": permissions if len(parts) == 3 else "rwm",
    }


def clean(path: str) -> str:
    """Return a slash-separated path without `.`, `..` and double slashes where they can be resolved."""
    from posixpath import normpath

    if not path:
        return ""
    cleaned = normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
