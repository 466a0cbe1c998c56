"""Add what a compose project implies: the default network, dependencies by reference, resource names, variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft.compose.short import clean


def normalize(model: dict[str, Any], name: str, environ: Mapping[str, str], shielded: Mapping[str, str]) -> None:
    """Complete `model` in place; `environ` fills build arguments without a value, `shielded` a service's variables."""
    services: dict[str, Any] = model.get("services") or {}
    _networks(model, services)
    for service in services.values():
        _service(service, environ, shielded)
    for section in ("networks", "volumes", "configs", "secrets"):
        resources: dict[str, Any] = model.get(section) or {}
        for key in resources:
            resource = resources[key] = resources[key] or {}
            if resource.get("name") is None:
                external = str(resource.get("external", "")).lower() in ("true", "1", "t")
                resource["name"] = key if external else f"{name}_{key}"


def pass_through(model: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Give list entries of `environment` without a value the one of `environ`, where there is one."""
    for service in (model.get("services") or {}).values():
        variables = service.get("environment") if isinstance(service, dict) else None
        if isinstance(variables, list):
            service["environment"] = [f"{v}={environ[v]}" if v in environ else v for v in variables]


def _networks(model: dict[str, Any], services: dict[str, Any]) -> None:
    used = False
    for service in services.values():
        if "network_mode" in service:
            continue
        if not service.get("networks"):
            service["networks"] = {"default": None}
        used = used or "default" in service["networks"]
    networks = model.get("networks") or {}
    if used:
        networks.setdefault("default", None)
    if networks:
        model["networks"] = networks


def _service(service: dict[str, Any], environ: Mapping[str, str], shielded: Mapping[str, str]) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, dict):
        if build.get("context") is None:
            build["context"] = "."
        if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            build["args"] = _filled(build["args"], environ, keep=False)
    if "environment" in service:
        service["environment"] = _filled(service["environment"], shielded, keep=True)
    for volume in service.get("volumes") or ():
        volume["target"] = clean(volume.get("target") or ".")
    _depend(service)


def _filled(pairs: Any, environ: Mapping[str, str], *, keep: bool) -> Any:
    """Fill in variables without a value; those that are unknown stay without one, or go unless `keep`."""
    if isinstance(pairs, dict):
        filled = {key: environ.get(key) if value is None else value for key, value in pairs.items()}
        return filled if keep else {key: value for key, value in filled.items() if value is not None}
    result = []
    for entry in pairs:
        if "=" not in entry and entry in environ:
            entry = f"{entry}={environ[entry]}"
        if "=" in entry or keep:
            result.append(entry)
    return result


def _depend(service: dict[str, Any]) -> None:
    """Depend on every service that a link, a shared namespace or `volumes_from` names."""
    depends: dict[str, Any] = service.get("depends_on") or {}

    def add(name: str, restart: bool) -> None:
        depends.setdefault(name, {"condition": "service_started", "restart": restart, "required": True})

    for link in service.get("links") or ():
        parts = link.split(":")
        add(parts[0] if len(parts) == 2 else link, True)
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        if isinstance(service.get(key), str) and service[key].startswith("service:"):
            add(service[key].removeprefix("service:"), True)
    for source in service.get("volumes_from") or ():
        if not source.startswith("container:"):
            add(source.split(":")[0], False)
    if depends:
        service["depends_on"] = depends
