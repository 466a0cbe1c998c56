"""Read a service's definition: the few questions that rendering, policy and the gate ask of it. All pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

COMPLETED = "service_completed_successfully"
#: Seconds that a task without a healthcheck must run where the file sets no ``update_config.monitor``, and the same for
#: one with a healthcheck, which the swarm calls running only when it is healthy.
MONITOR, MONITOR_CHECKED = 2.0, 0.5
#: Seconds on top of what a healthcheck allows, for slow engines.
SLACK = 30.0
_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(value: Any, default: float = 0.0) -> float:
    """Return a duration of the compose file (``1m30s``) in seconds; a number counts as seconds."""
    if value is None or value == "":
        return default
    if isinstance(value, (int, float)):
        return float(value)
    found = _DURATION.findall(str(value))
    if found:
        return sum(float(number) * _UNITS[unit] for number, unit in found)
    try:
        return float(value)
    except ValueError:
        return default


def below(definition: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the mapping below nested keys; empty where there is none."""
    found: Any = definition
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def depends_on(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return service to condition of what a service depends on; both syntaxes are read."""
    raw = definition.get("depends_on") or {}
    if isinstance(raw, Mapping):
        return {str(n): str((v or {}).get("condition") or "service_started") for n, v in raw.items()}
    return {str(name): "service_started" for name in raw}


def awaited(definitions: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the services whose completion some other service waits for."""
    return frozenset(n for d in definitions.values() for n, how in depends_on(d).items() if how == COMPLETED)


def restart_policy(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the swarm's ``restart_policy``: the file's own, else what its ``restart`` means; empty for the default."""
    given = below(definition, "deploy", "restart_policy")
    if given:
        return {k: v for k, v in given.items() if v is not None}
    kind, _, attempts = str(definition.get("restart") or "").lower().partition(":")
    if kind in ("no", "false") or definition.get("restart") is False:
        return {"condition": "none"}
    if kind == "on-failure":
        return {"condition": "on-failure", **({"max_attempts": int(attempts)} if attempts.isdigit() else {})}
    return {"condition": "any"} if kind else {}


def finishes(name: str, definition: Mapping[str, Any], waited_for: Collection[str]) -> bool:
    """Tell whether a service is meant to end."""
    job = str(below(definition, "deploy").get("mode") or "").endswith("-job")
    return job or name in waited_for or restart_policy(definition).get("condition") == "none"


def healthcheck(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the compose file's healthcheck; empty without one or with a disabled one."""
    check = below(definition, "healthcheck")
    test = check.get("test")
    return {} if check.get("disable") or not test or test in ("NONE", ["NONE"]) else check


def monitor(definition: Mapping[str, Any]) -> float:
    """Return the seconds that a new task is watched before it counts."""
    given = below(definition, "deploy", "update_config").get("monitor")
    return seconds(given) if given is not None else MONITOR_CHECKED if healthcheck(definition) else MONITOR


def deadline(definition: Mapping[str, Any], count: int, configured: float) -> float:
    """Return the seconds that a service may take to converge: what was configured, else per batch what its healthcheck allows."""
    own = seconds(below(definition, "x-stagecraft").get("deploy_timeout"))
    if own or configured:
        return own or configured
    check = healthcheck(definition)
    each = monitor(definition)
    if check:
        probes = int(check.get("retries") or 3) + 1
        once = seconds(check.get("interval"), 30.0) + seconds(check.get("timeout"), 30.0)
        each += seconds(check.get("start_period")) + once * probes
    update = below(definition, "deploy", "update_config")
    parallel = int(update.get("parallelism", 1) or count or 1)
    batches = max(1, -(-count // parallel))
    pause = seconds(update.get("delay")) + seconds(definition.get("stop_grace_period"), 10.0)
    return batches * (each + pause) + SLACK


def mounts(definition: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the service's volumes; the compose file is normalised, so that they are mappings."""
    return tuple(m for m in definition.get("volumes") or () if isinstance(m, Mapping))


def published(definition: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the ports that it publishes, in the long syntax."""
    return tuple(p for p in definition.get("ports") or () if isinstance(p, Mapping) and p.get("published"))
