"""Where compose turns an interpolated string into a number or a boolean: a tree of path steps for `interpolate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stagecraft.compose.scalars import to_bool, to_float, to_float32, to_int


def _cast(read: Callable[[str], Any]) -> dict[str, Any]:
    return {"": read}


_int, _float, _float32, _bool = _cast(to_int), _cast(to_float), _cast(to_float32), _cast(to_bool)
_rollout = {"parallelism": _int, "max_failure_ratio": _float}

CASTS: Mapping[str, Any] = {
    "services": {
        "*": {
            **dict.fromkeys(
                (
                    "cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares",
                    "oom_score_adj", "pids_limit", "scale",
                ),
                _int,
            ),
            **dict.fromkeys(("init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty"), _bool),
            "cpu_percent": _float,
            "cpus": _float32,
            "configs": {"[]": {"mode": _int}},
            "secrets": {"[]": {"mode": _int}},
            "deploy": {
                "replicas": _int,
                "update_config": _rollout,
                "rollback_config": _rollout,
                "restart_policy": {"max_attempts": _int},
                "placement": {"max_replicas_per_node": _int},
            },
            "healthcheck": {"retries": _int, "disable": _bool},
            "ports": {"[]": {"target": _int}},
            "ulimits": {"*": {"": to_int, "hard": _int, "soft": _int}},
            "volumes": {"[]": {"read_only": _bool, "volume": {"nocopy": _bool}}},
        }
    },
    "networks": {"*": dict.fromkeys(("external", "internal", "attachable", "enable_ipv4", "enable_ipv6"), _bool)},
    **{section: {"*": {"external": _bool}} for section in ("volumes", "secrets", "configs")},
}  # fmt: skip
