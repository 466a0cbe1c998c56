"""Merge compose files: a later file over an earlier one, and a service over the one that it extends.

Mappings merge key by key and lists are appended, except where a rule below says otherwise; then entries of a list that
mean the same thing (the same container path, the same variable) are reduced to the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stagecraft.compose.faults import Path, shown
from stagecraft.compose.scalars import as_text


class MergeError(ValueError):
    """Say at which path two files contradict each other in kind."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{shown(path)} is of another kind than the value that it overrides")
        self.path = path


def merge(base: Any, over: Any, path: Path = (), rules: Mapping[str, Any] | None = None) -> Any:
    """Merge `over` into `base` (which is changed) and return the result."""
    rules = _RULES if rules is None else rules
    rule = rules.get("")
    if rule is not None:
        return rule(base, over, path, rules)
    if over is None:
        return base
    if isinstance(base, dict):
        if not isinstance(over, dict):
            raise MergeError(path)
        return _merge_mappings(base, over, path, rules)
    if isinstance(base, list):
        if not isinstance(over, list):
            raise MergeError(path)
        return base + over
    return over


def merge_service(base: dict[str, Any], over: dict[str, Any], name: str) -> dict[str, Any]:
    """Merge a service over the one that it extends."""
    merged: dict[str, Any] = merge(base, over, ("services", name), _RULES["services"]["*"])
    return merged


def _merge_mappings(base: dict[str, Any], over: dict[str, Any], path: Path, rules: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if key not in base or key.startswith("x-"):
            base[key] = value
        else:
            base[key] = merge(base[key], value, (*path, key), rules.get(key) or rules.get("*") or _NO_RULES)
    return base


def _replace(_base: Any, over: Any, _path: Path, _rules: Mapping[str, Any]) -> Any:
    return over


def _append(base: Any, over: Any, _path: Path, _rules: Mapping[str, Any]) -> Any:
    return _sequence(base) + _sequence(over)


def _append_new(base: Any, over: Any, _path: Path, _rules: Mapping[str, Any]) -> Any:
    known = _sequence(base)
    return known + [entry for entry in _sequence(over) if entry not in known]


def _sequence(value: Any) -> list[Any]:
    """Write a mapping as a sorted list of `key=value`; a key without a value stands alone."""
    if isinstance(value, dict):
        entries = []
        for key, item in value.items():
            if item is None:
                entries.append(key)
            else:
                entries.extend(f"{key}={as_text(one)}" for one in (item if isinstance(item, list) else [item]))
        return sorted(entries)
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, list) else []


def _merge_build(base: Any, over: Any, path: Path, rules: Mapping[str, Any]) -> Any:
    sides = [{"context": side} if isinstance(side, str) else side for side in (base, over)]
    if not all(isinstance(side, dict) for side in sides):
        raise MergeError(path)
    return _merge_mappings(sides[0], sides[1], path, rules)


def _merge_depends_on(base: Any, over: Any, path: Path, rules: Mapping[str, Any]) -> Any:
    started = {"condition": "service_started", "required": True}
    return _merge_mappings(_mapping(base, path, started), _mapping(over, path, started), path, rules)


def _merge_networks(base: Any, over: Any, path: Path, rules: Mapping[str, Any]) -> Any:
    return _merge_mappings(_mapping(base, path, None), _mapping(over, path, None), path, rules)


def _mapping(value: Any, path: Path, default: dict[str, Any] | None) -> dict[str, Any]:
    if isinstance(value, list):
        return {str(key): None if default is None else dict(default) for key in value}
    if not isinstance(value, dict):
        if value is None:
            return {}
        raise MergeError(path)
    return value


def _merge_logging(base: Any, over: Any, path: Path, rules: Mapping[str, Any]) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        raise MergeError(path)
    same = "driver" not in over or "driver" not in base or over["driver"] == base["driver"]
    return _merge_mappings(base, over, path, rules) if same else over


def _merge_pools(base: Any, over: Any, path: Path, rules: Mapping[str, Any]) -> Any:
    """Merge address pools by subnet; the result keeps the order in which compose meets them."""
    pools: list[dict[str, Any]] = []
    if not isinstance(base, list) or not isinstance(over, list):
        raise MergeError(path)
    for original in base:
        for override in over:
            if not isinstance(original, dict) or not isinstance(override, dict):
                raise MergeError(path)
            known = any(pool.get("subnet") == override.get("subnet") for pool in pools)
            if override.get("subnet") != original.get("subnet") and not known:
                pools.append(override)
                continue
            merged = _merge_mappings(original, override, path, _NO_RULES)
            subnets = [pool.get("subnet") for pool in pools]
            if merged.get("subnet") in subnets:
                pools[subnets.index(merged.get("subnet"))] = merged
            else:
                pools.append(merged)
    return pools


Rule = Callable[[Any, Any, Path, Mapping[str, Any]], Any]


def _rule(rule: Rule, **below: Any) -> dict[str, Any]:
    return {"": rule, **below}


_NO_RULES: Mapping[str, Any] = {}
_LABELS = {"labels": _rule(_append)}
_RULES: Mapping[str, Any] = {
    "networks": {"*": {**_LABELS, "ipam": {"config": _rule(_merge_pools)}}},
    "volumes": {"*": _LABELS},
    "services": {
        "*": {
            **{
                key: _rule(_append)
                for key in (
                    "annotations", "dns", "dns_opt", "dns_search", "env_file", "label_file", "environment", "labels",
                    "sysctls", "tmpfs",
                )
            },
            "build": _rule(
                _merge_build,
                args=_rule(_append),
                additional_contexts=_rule(_append),
                extra_hosts=_rule(_append_new),
                labels=_rule(_append),
            ),
            "command": _rule(_replace),
            "entrypoint": _rule(_replace),
            "healthcheck": {"test": _rule(_replace)},
            "depends_on": _rule(_merge_depends_on),
            "networks": _rule(_merge_networks),
            "deploy": _LABELS,
            "extra_hosts": _rule(_append_new),
            "logging": _rule(_merge_logging),
            "ulimits": {"*": _rule(_replace)},
        }
    },
}  # fmt: skip
