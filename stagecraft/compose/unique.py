"""Reduce the entries of a list that mean the same thing to the last one, at the place of the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stagecraft.compose import short

Key = Callable[[Any], Any]


def make_unique(model: dict[str, Any]) -> None:
    """Apply the rules to every service and network of a compose tree, in place; odd shapes are left alone."""
    for section, rules in _RULES.items():
        entries = model.get(section)
        if not isinstance(entries, dict):
            continue
        for entry in entries.values():
            if isinstance(entry, dict):
                _apply(entry, rules)


def _apply(entry: dict[str, Any], rules: Mapping[str, Any]) -> None:
    for key, value in entry.items():
        rule = rules.get(key)
        if rule is None:
            continue
        if isinstance(rule, dict):
            _descend(value, rule)
        elif isinstance(value, list) and len(value) > 1:
            entry[key] = _last_of_each(value, rule)


def _descend(value: Any, rules: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        return
    if "*" not in rules:
        _apply(value, rules)
        return
    for entry in value.values():
        if isinstance(entry, dict):
            _apply(entry, rules["*"])


def _last_of_each(entries: list[Any], rule: Key) -> list[Any]:
    kept: dict[Any, Any] = {}
    for index, entry in enumerate(entries):
        try:
            key = rule(entry)
            hash(key)
        except (ValueError, TypeError, AttributeError):
            key = ("odd", index)  # left for the schema to refuse
        kept[key] = entry
    return list(kept.values())


def _variable(entry: str) -> str:
    return entry.partition("=")[0]


def _target(entry: Any) -> Any:
    # targets are compared as written: `/a` and `/a/` are two
    return short.volume_target(entry) if isinstance(entry, str) else entry.get("target")


def _device(entry: Any) -> Any:
    if isinstance(entry, str):
        source, _, rest = entry.partition(":")
        return rest.partition(":")[0] if ":" in entry else source
    return entry.get("target")


def _mount(folder: str) -> Key:
    def key(entry: Any) -> str:
        if isinstance(entry, str):
            return f"{folder}/{entry}"
        return str(entry["target"]) if "target" in entry else f"{folder}/{entry.get('source')}"

    return key


def _env_file(entry: Any) -> Any:
    return entry if isinstance(entry, str) else entry.get("path")


def _port(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return str(entry)
    published = entry.get("published")
    return (
        entry.get("host_ip", "0.0.0.0"),  # noqa: S104 (compared, never bound)
        (type(published), published),
        entry.get("target"),
        entry.get("protocol", "tcp"),
    )


_RULES: Mapping[str, Mapping[str, Any]] = {
    "networks": {"labels": _variable, "ipam": {"options": _variable}},
    "services": {
        **dict.fromkeys(
            (
                "annotations", "cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "environment", "labels", "links",
                "profiles", "sysctls", "tmpfs",
            ),
            _variable,
        ),
        "build": dict.fromkeys(("args", "additional_contexts", "platform", "tags", "labels"), _variable),
        "configs": _mount(""),
        "deploy": {"labels": _variable},
        "devices": _device,
        "env_file": _env_file,
        "expose": str,
        "networks": {"*": {"aliases": _variable, "link_local_ips": _variable}},
        "ports": _port,
        "secrets": _mount("/run/secrets"),
        "volumes": _target,
    },
}  # fmt: skip
