"""Make the paths of a compose tree absolute, or relative to an outer project's folder."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

from stagecraft.compose.faults import Faults, Path
from stagecraft.compose.short import clean

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")


def join(base: str, path: str) -> str:
    """Join and clean two paths; an absolute second one wins."""
    return clean(path if path.startswith("/") else f"{base}/{path}") if path else clean(base)


def resolve_paths(model: dict[str, Any], base: str, home: str | None, faults: Faults) -> None:
    """Prefix every relative path in `model` with `base`, in place; `~` stands for `home`."""

    def absolute(path: Any) -> Any:
        if not isinstance(path, str) or path == "":
            return path
        path = _expand(path, home)
        return join(base, path)

    def unix(path: Any) -> Any:
        if not isinstance(path, str):
            return path
        path = _expand(path, home)
        return path if path.startswith("/") or _WINDOWS.match(path) else join(base, path)

    def context(path: Any) -> Any:
        if not isinstance(path, str) or "://" in path or path.startswith(("service:", *_REMOTE)):
            return path
        return absolute(path)

    for name, service in _mappings(model, "services"):
        _resolve_service(service, ("services", name), absolute, unix, context, faults)
    for section in ("configs", "secrets"):
        for _, resource in _mappings(model, section):
            if "file" in resource:
                resource["file"] = unix(resource["file"])
    for _, volume in _mappings(model, "volumes"):
        options: dict[str, Any] = volume.get("driver_opts") or {}
        if volume.get("driver") == "local" and options.get("o") == "bind" and "device" in options:
            options["device"] = unix(options["device"])


def _resolve_service(
    service: dict[str, Any], path: Path, absolute: Any, unix: Any, context: Any, faults: Faults
) -> None:
    build = service.get("build")
    if isinstance(build, dict):
        if "context" in build:
            build["context"] = context(build["context"])
        for key, change in (("additional_contexts", context), ("ssh", unix)):
            if isinstance(build.get(key), dict):
                build[key] = {name: change(value) for name, value in build[key].items()}
    for entry in service.get("env_file") or ():
        entry["path"] = absolute(entry["path"])
    if isinstance(service.get("label_file"), list):
        service["label_file"] = [absolute(entry) for entry in service["label_file"]]
    extends = service.get("extends")
    if isinstance(extends, dict) and "file" in extends:
        extends["file"] = absolute(extends["file"])
    for watch in (service.get("develop") or {}).get("watch") or ():
        watch["path"] = _follow_link(absolute(watch["path"]))
    for index, volume in enumerate(service.get("volumes") or ()):
        if isinstance(volume, dict) and volume.get("type") == "bind":
            if "source" not in volume:
                faults.at((*path, "volumes", index), "is a bind mount without a source", "add `source`")
            else:
                volume["source"] = unix(volume["source"])


def _mappings(model: dict[str, Any], section: str) -> list[tuple[str, dict[str, Any]]]:
    found = model.get(section)
    return [(k, v) for k, v in found.items() if isinstance(v, dict)] if isinstance(found, dict) else []


def _expand(path: str, home: str | None) -> str:
    return join(home, path[1:].lstrip("/")) if path.startswith("~") and home else path


def _follow_link(path: str) -> str:
    """Replace the first symbolic link on the way to `path` by what it stands for."""
    current = "/" if path.startswith("/") else ""
    for part in path.split("/"):
        if part:
            current = f"{current.rstrip('/')}/{part}" if current else part
            if FilePath(current).is_symlink():
                return path.replace(current, str(FilePath(current).resolve()), 1)
    return path
