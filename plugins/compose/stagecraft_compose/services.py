"""Read a service's definition: the few questions that policy, rendering and the health gate ask of it. All pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: ``depends_on`` conditions.
STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"
_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(text: Any, default: float = 0.0) -> float:
    """Return a compose duration (``1m30s``, ``500ms``) in seconds; a bare number counts as seconds."""
    if text is None or text == "":
        return default
    if isinstance(text, (int, float)):
        return float(text)
    found = _DURATION.findall(str(text))
    if found:
        return sum(float(number) * _UNITS[unit] for number, unit in found)
    try:
        return float(text)
    except ValueError:
        return default


def depends_on(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what a service depends on, by name: ``{"condition": …, "required": …, "restart": …}``; both syntaxes
    are read.
    """
    raw = definition.get("depends_on") or {}
    if isinstance(raw, Mapping):
        return {str(name): dict(value or {"condition": STARTED}) for name, value in raw.items()}
    return {str(name): {"condition": STARTED} for name in raw}


def needs(definition: Mapping[str, Any]) -> set[str]:
    """Return every service that must be there first: ``depends_on`` and namespaces shared with ``service:NAME``."""
    return set(depends_on(definition)) | shared_with(definition)


def shared_with(definition: Mapping[str, Any]) -> set[str]:
    """Return the services whose containers this one is tied to: ``network_mode``, ``ipc``, ``pid`` of ``service:``,
    ``volumes_from``.
    """
    found = {
        str(definition.get(key)).removeprefix("service:")
        for key in ("network_mode", "ipc", "pid")
        if str(definition.get(key) or "").startswith("service:")
    }
    for entry in definition.get("volumes_from") or ():
        name = str(entry)
        if not name.startswith("container:"):
            found.add(name.split(":")[0])
    return found


def mapping(definition: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the mapping below nested keys; empty where one is missing."""
    found: Any = definition
    for key in keys:
        found = (found or {}).get(key)
    return found or {}


def restart_policy(definition: Mapping[str, Any]) -> str:
    """Return ``no``, ``always``, ``unless-stopped`` or ``on-failure[:N]``; empty where the file says nothing."""
    value = definition.get("restart")
    if value is False:
        return "no"
    if value:
        return str(value)
    policy = (definition.get("deploy") or {}).get("restart_policy") or {}
    condition = {"none": "no", "any": "always", "on-failure": "on-failure"}.get(str(policy.get("condition", "")), "")
    attempts = policy.get("max_attempts")
    return f"{condition}:{attempts}" if condition == "on-failure" and attempts else condition


def awaited(definitions: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the services whose completion some other service waits for; looks at each service once."""
    return frozenset(
        name
        for definition in definitions.values()
        for name, how in depends_on(definition).items()
        if how.get("condition") == COMPLETED
    )


def one_shot(name: str, definition: Mapping[str, Any], waited_for: Collection[str]) -> bool:
    """Tell whether a service is expected to finish: someone waits for its completion, ``restart: "no"``, or a job
    mode.
    """
    mode = str((definition.get("deploy") or {}).get("mode", ""))
    policy = restart_policy(definition)
    return policy == "no" or mode.endswith("-job") or (policy == "" and name in waited_for)


def healthcheck(definition: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the compose file's healthcheck, or None where there is none or it is disabled (the image may still have
    one).
    """
    check = definition.get("healthcheck") or {}
    test = check.get("test")
    if not check or check.get("disable") or test in (["NONE"], "NONE", None, []):
        return None
    return dict(check)


def published(definition: Mapping[str, Any]) -> tuple[tuple[str, str, int, str], ...]:
    """Return published ports as (address, host port or range, container port, protocol); both syntaxes are read."""
    found = []
    for entry in definition.get("ports") or ():
        if isinstance(entry, Mapping):
            port = str(entry.get("published") or "")
            if port:
                item = (
                    str(entry.get("host_ip") or ""),
                    port,
                    int(entry["target"]),
                    str(entry.get("protocol") or "tcp"),
                )
                found.append(item)
        else:
            body, _, protocol = str(entry).partition("/")
            host, _, target = body.rpartition(":")
            if host:
                address, _, port = host.rpartition(":")
                found.append((address.strip("[]"), port, int(target.split("-")[0]), protocol or "tcp"))
    return tuple(found)


def grace(definition: Mapping[str, Any]) -> float:
    """Return the seconds between the stop signal and SIGKILL; Docker's default is 10."""
    return seconds(definition.get("stop_grace_period"), 10.0)


def mounts(definition: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the service's volumes in the long syntax: type, source, target, read_only."""
    found = []
    for entry in definition.get("volumes") or ():
        if isinstance(entry, Mapping):
            found.append(dict(entry))
            continue
        parts = str(entry).split(":")
        if len(parts) == 1:
            found.append({"type": "volume", "target": parts[0]})
            continue
        options = set(parts[2].split(",")) if len(parts) > 2 else set()
        kind = "bind" if parts[0][:1] in (".", "/", "~") else "volume"
        mount: dict[str, Any] = {"type": kind, "source": parts[0], "target": parts[1]}
        found.append(mount | ({"read_only": True} if "ro" in options else {}))
    return tuple(found)


def in_order(definitions: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the services so that each comes after those it needs; sorted where that leaves a choice."""
    done: list[str] = []

    def visit(name: str, path: Iterable[str]) -> None:
        if name in done or name in path or name not in definitions:
            return
        for other in sorted(needs(definitions[name])):
            visit(other, (*path, name))
        done.append(name)

    for name in sorted(definitions):
        visit(name, ())
    return tuple(done)
