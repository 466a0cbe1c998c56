"""Write a checked compose tree in its long form, and add the defaults that compose adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagecraft.compose import short
from stagecraft.compose.faults import Faults, Path


def canonical(model: dict[str, Any], faults: Faults) -> None:
    """Turn every short notation of `model` into the long one, in place."""
    for name, service in _entries(model, "services"):
        if isinstance(service, dict):
            _service(service, ("services", name), faults)
    for section in ("networks", "volumes", "secrets", "configs"):
        for name, resource in _entries(model, section):
            if isinstance(resource, dict):
                _external(resource, (section, name), faults)


def _entries(model: dict[str, Any], section: str) -> list[tuple[str, Any]]:
    found = model.get(section)
    return list(found.items()) if isinstance(found, dict) else []


def _service(service: dict[str, Any], path: Path, faults: Faults) -> None:
    for key, value in service.items():
        change = _CHANGES.get(key)
        if change is not None and value is not None:
            service[key] = change(value, (*path, key), faults)


def _each(read: Callable[[str], Any]) -> Callable[[Any, Path, Faults], Any]:
    """Read every string of a list; a fault keeps the string."""

    def change(value: Any, path: Path, faults: Faults) -> Any:
        result = []
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            if isinstance(entry, str):
                try:
                    entry = read(entry)
                except ValueError as error:
                    faults.add((*path, index), str(error), "see the Compose file reference for the short notation")
            result.append(entry)
        return result

    return change


def _ports(value: Any, path: Path, faults: Faults) -> Any:
    result: list[Any] = []
    for index, entry in enumerate(value):
        if isinstance(entry, dict):
            result.append(entry)
            continue
        try:
            if not isinstance(entry, (str, int)):
                raise ValueError("a port cannot be a number with a fraction")
            result.extend(short.ports(str(entry)))
        except ValueError as error:
            faults.add((*path, index), str(error), "write `[[ip:]published:]target[/protocol]`, in quotes")
    return result


def _build(value: Any, path: Path, faults: Faults) -> Any:
    if isinstance(value, str):
        return {"context": value}
    if "secrets" in value:
        value["secrets"] = _mounts(value["secrets"], path, faults)
    if isinstance(value.get("additional_contexts"), list):
        value["additional_contexts"] = _contexts(value["additional_contexts"], (*path, "additional_contexts"), faults)
    if isinstance(value.get("ssh"), list):
        value["ssh"] = _ssh(value["ssh"], (*path, "ssh"), faults)
    return value


def _contexts(value: list[Any], path: Path, faults: Faults) -> dict[str, Any]:
    result = {}
    for index, entry in enumerate(value):
        name, found, context = entry.partition("=")
        if not found:
            faults.at((*path, index), "is not `name=context`", "write `name=path-or-url`")
        result[name] = context
    return result


def _ssh(value: list[Any], path: Path, faults: Faults) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for index, entry in enumerate(value):
        name, found, key = entry.partition("=")
        if not found and name != "default":
            faults.at((*path, index), "is not an SSH key", "write `default` or `id=path`")
        result[name] = key if found else None
    return result


def _mounts(value: Any, path: Path, faults: Faults) -> Any:
    return [{"source": entry} if isinstance(entry, str) else entry for entry in value]


def _depends_on(value: Any, path: Path, faults: Faults) -> Any:
    if isinstance(value, list):
        return {name: {"condition": "service_started", "required": True} for name in value}
    for entry in value.values():
        if isinstance(entry, dict):
            entry.setdefault("condition", "service_started")
            entry.setdefault("required", True)
    return value


def _env_files(value: Any, path: Path, faults: Faults) -> Any:
    entries = [value] if isinstance(value, str) else value
    result = []
    for entry in entries:
        entry = {"path": entry} if isinstance(entry, str) else entry
        entry.setdefault("required", True)
        result.append(entry)
    return result


def _texts(value: Any, path: Path, faults: Faults) -> Any:
    return [value] if isinstance(value, str) else value


def _dns(value: Any, path: Path, faults: Faults) -> Any:
    return [entry for entry in _texts(value, path, faults) if entry not in (None, "")]


def _networks(value: Any, path: Path, faults: Faults) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) else value


def _gpus(value: Any, path: Path, faults: Faults) -> Any:
    return [{"count": "all"}] if isinstance(value, str) else value


def _extends(value: Any, path: Path, faults: Faults) -> Any:
    return {"service": value} if isinstance(value, str) else value


def _external(resource: dict[str, Any], path: Path, faults: Faults) -> None:
    external = resource.get("external")
    if not isinstance(external, dict):
        return
    resource["external"] = True
    if "name" in external:
        if resource.get("name", external["name"]) != external["name"]:
            faults.at(path, "has both `name` and another `external.name`", "keep `name` and `external: true`")
        resource["name"] = external["name"]


_CHANGES: dict[str, Callable[[Any, Path, Faults], Any]] = {
    "build": _build,
    "configs": _mounts,
    "depends_on": _depends_on,
    "devices": _each(short.device),
    "dns": _dns,
    "env_file": _env_files,
    "extends": _extends,
    "gpus": _gpus,
    "label_file": _texts,
    "networks": _networks,
    "ports": _ports,
    "secrets": _mounts,
    "volumes": _each(short.volume),
}


def add_defaults(model: dict[str, Any], faults: Faults) -> None:
    """Add what an entry means when it does not say: build context, secret targets, port protocol, device count."""
    for name, service in _entries(model, "services"):
        build = service.get("build")
        if isinstance(build, dict):
            build.setdefault("context", ".")
        for secret in service.get("secrets") or ():
            secret.setdefault("target", f"/run/secrets/{secret.get('source')}")
        for port in service.get("ports") or ():
            port.setdefault("protocol", "tcp")
            port.setdefault("mode", "ingress")
        path: Path = ("services", name)
        _devices(service.get("gpus") or (), (*path, "gpus"), faults)
        resources = (service.get("deploy") or {}).get("resources") or {}
        reserved = resources.get("reservations") or {}
        _devices(reserved.get("devices") or (), (*path, "deploy", "resources", "reservations", "devices"), faults)


def _devices(requests: Any, path: Path, faults: Faults) -> None:
    for index, request in enumerate(requests):
        if "count" in request and "device_ids" in request:
            faults.at((*path, index), "has both `count` and `device_ids`", "keep one of the two")
        elif "device_ids" not in request:
            request.setdefault("count", "all")


def check_resources(model: dict[str, Any], faults: Faults) -> None:
    """Refuse resources and watches that contradict themselves."""
    for name, volume in _entries(model, "volumes"):
        if isinstance(volume, dict) and volume.get("external") is True:
            for key in volume:
                if key not in ("name", "external") and not key.startswith("x-"):
                    faults.at(("volumes", name, key), "has no meaning for an external volume", "remove it", key=True)
    _check_sources(model, "configs", ("file", "environment", "content"), faults)
    _check_sources(model, "secrets", ("file", "environment"), faults)
    for name, service in _entries(model, "services"):
        for index, watch in enumerate((service.get("develop") or {}).get("watch") or ()):
            if watch.get("path") == "":
                faults.at(("services", name, "develop", "watch", index, "path"), "cannot be empty", "name a folder")


def _check_sources(model: dict[str, Any], section: str, keys: tuple[str, ...], faults: Faults) -> None:
    for name, resource in _entries(model, section):
        given = [key for key in keys if key in resource]
        choices = " or ".join(f"`{key}`" for key in keys)
        if len(given) > 1:
            faults.at((section, name), f"has more than one of {choices}", "keep one of them")
        elif not given and "driver" not in resource and "external" not in resource:
            faults.at((section, name), f"needs {choices}", "add one of them, or `external: true`")
