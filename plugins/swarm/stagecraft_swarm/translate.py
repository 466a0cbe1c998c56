"""Translate a service of a normalised compose file into the older schema that ``docker stack deploy`` reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Taken over as they are.
KEPT = (
    "cap_add",
    "cap_drop",
    "command",
    "dns",
    "dns_search",
    "entrypoint",
    "hostname",
    "init",
    "isolation",
    "logging",
    "read_only",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tty",
    "ulimits",
    "user",
    "working_dir",
)
#: Translated here or elsewhere in this plugin, done by the kernel, or without meaning in a swarm.
HANDLED = (
    "build",
    "configs",
    "depends_on",
    "deploy",
    "environment",
    "env_file",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "image",
    "labels",
    "networks",
    "platform",
    "ports",
    "profiles",
    "pull_policy",
    "restart",
    "scale",
    "secrets",
    "tmpfs",
    "volumes",
)
#: What a service needs to work and no swarm gives it.
REFUSED = (
    "cgroup_parent",
    "device_cgroup_rules",
    "devices",
    "gpus",
    "ipc",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "userns_mode",
    "volumes_from",
)


def plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that need no context: what is kept, healthcheck, ports, extra hosts, networks, volumes not in the project."""
    found = {k: definition[k] for k in KEPT if definition.get(k) is not None}
    check = {k: v for k, v in (definition.get("healthcheck") or {}).items() if v is not None}
    if check:
        found["healthcheck"] = check
    ports = [port(p) for p in definition.get("ports") or () if isinstance(p, Mapping)]
    if ports:
        found["ports"] = ports
    if definition.get("extra_hosts"):
        found["extra_hosts"] = extra_hosts(definition["extra_hosts"])
    networks = definition.get("networks")
    if networks:
        found["networks"] = {
            name: {"aliases": list((value or {})["aliases"])} if (value or {}).get("aliases") else {}
            for name, value in sorted(dict(networks).items())
        }
    if definition.get("group_add"):
        found["group_add"] = [str(g) for g in definition["group_add"]]
    return found


def port(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a port: numbers as numbers, and without the address, which a swarm cannot bind to."""
    made: dict[str, Any] = {"target": int(entry["target"]), "protocol": str(entry.get("protocol") or "tcp")}
    if str(entry.get("published") or "").isdigit():
        made["published"] = int(entry["published"])
    return {**made, "mode": str(entry.get("mode") or "ingress")}


def extra_hosts(raw: Any) -> list[str]:
    """Return ``NAME:ADDRESS`` entries; newer files separate with ``=``."""
    pairs: Iterable[tuple[str, str]] = (
        ((str(k), str(v)) for k, v in raw.items())
        if isinstance(raw, Mapping)
        else (_split(str(entry)) for entry in raw)
    )
    return sorted(f"{name}:{address}" for name, address in pairs)


def _split(entry: str) -> tuple[str, str]:
    mark = "=" if "=" in entry else ":"
    name, _, address = entry.partition(mark)
    return name, address


def mount(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mount with the options that the schema knows."""
    kept = {k: entry[k] for k in ("type", "source", "target", "read_only") if entry.get(k) is not None}
    for kind, options in (("bind", ("propagation",)), ("volume", ("nocopy", "subpath")), ("tmpfs", ("size",))):
        own = {k: (entry.get(kind) or {}).get(k) for k in options}
        own = {k: v for k, v in own.items() if v is not None}
        if own:
            kept[kind] = own
    return kept


def resources(raw: Any) -> dict[str, Any]:
    """Return limits and reservations; processors are text in the schema."""
    found: dict[str, Any] = {}
    for part in ("limits", "reservations"):
        values = {k: v for k, v in ((raw or {}).get(part) or {}).items() if v is not None and k != "devices"}
        if "cpus" in values:
            values["cpus"] = str(values["cpus"])
        if values:
            found[part] = values
    return found


def use(entry: Any) -> dict[str, Any]:
    """Return a service's use of a config or secret; the mode is a number."""
    if not isinstance(entry, Mapping):
        return {"source": str(entry)}
    found = {k: v for k, v in entry.items() if k in ("source", "target", "uid", "gid", "mode") and v is not None}
    if isinstance(found.get("mode"), str):
        found["mode"] = int(found["mode"], 8)
    return found


def environment(raw: Any) -> dict[str, str]:
    """Return variables that have a value, sorted; what the deploying machine happens to have set is no part of a release."""
    pairs = (
        raw.items() if isinstance(raw, Mapping) else (str(x).partition("=")[::2] for x in raw or () if "=" in str(x))
    )
    return {str(k): _text(v) for k, v in sorted(pairs, key=lambda p: str(p[0])) if v is not None}


def labels(raw: Any) -> dict[str, str]:
    """Return labels as a mapping, sorted."""
    pairs = raw.items() if isinstance(raw, Mapping) else (str(x).partition("=")[::2] for x in raw or ())
    return {str(k): "" if v is None else str(v) for k, v in sorted(pairs, key=lambda p: str(p[0]))}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def escape(value: Any) -> Any:
    """Return a value with every ``$`` doubled, so that the interpolation of ``docker stack`` gives it back."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {str(k): escape(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape(v) for v in value]
    return value
