"""Load a compose project: find its files, read them, complete them, check them."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from stagecraft_hookspecs.errors import ConfigError
from stagecraft_hookspecs.values import reference

from stagecraft.compose import render
from stagecraft.compose.consistency import check_project
from stagecraft.compose.discovery import active_profiles, find_sources, peek_name
from stagecraft.compose.envfile import read_env_file
from stagecraft.compose.faults import Faults, Path
from stagecraft.compose.layers import Disk
from stagecraft.compose.level import Level, read_level
from stagecraft.compose.model import ComposeProject, Service
from stagecraft.compose.normalize import normalize
from stagecraft.compose.scalars import Timestamp, number

_RESOURCES = {"networks": render.network, "volumes": render.volume, "secrets": render.secret, "configs": render.config}


def load(
    project_dir: FilePath,
    files: Sequence[FilePath] | None,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    env_files: Sequence[FilePath] | None = None,
    project_name: str | None = None,
    references: Mapping[str, str] | None = None,
) -> ComposeProject:
    """Read a compose project as `docker compose config` would, running nothing and reading the project's files only.

    `project_dir` is where the user stands: relative `files` and `env_files` start there, and without `files` the usual
    names are looked for there and above. `environ` is the environment to see. Relative paths in the files start from
    the first file's folder. With `references`, services' environments hold these in place of the variables that are
    secrets, and every value of a service's env files is a secret too, named `SERVICE/NAME`. Raise ConfigError with all
    faults that one step of reading can find, each with its place.
    """
    # Nearly everything made here is kept; collecting garbage meanwhile finds none and makes large projects worse than
    # linear.
    collecting = gc.isenabled()
    gc.disable()
    try:
        folder = FilePath(os.path.normpath(project_dir.absolute()))
        return _load(folder, files, environ, profiles, env_files, project_name, references)
    finally:
        if collecting:
            gc.enable()


def _load(
    project_dir: FilePath,
    files: Sequence[FilePath] | None,
    environ: Mapping[str, str],
    profiles: Sequence[str],
    env_files: Sequence[FilePath] | None,
    project_name: str | None,
    references: Mapping[str, str] | None,
) -> ComposeProject:
    disk = Disk(project_dir, environ.get("HOME"), references=references or {})
    sources = find_sources(disk, files, environ, env_files)
    faults = Faults()
    name = peek_name(project_name, sources, disk)
    variables = {**sources.environ, "COMPOSE_PROJECT_NAME": name}
    level = Level(disk, sources.folder, str(sources.folder), variables, faults)
    model = read_level(level, sources.files)
    normalize(model, name, variables, disk.shielded(variables))
    services, disabled = _services(model, active_profiles(profiles, variables), faults)
    resources = {
        section: {key: write(model[section][key], (section, key), faults) for key in sorted(model.get(section) or ())}
        for section, write in _RESOURCES.items()
    }
    faults.stop()
    check_project(services, disabled, resources, faults)
    hidden: dict[str, str] | None = None if references is None else {}
    for service_name, service in services.items():
        at = ("services", service_name)
        _read_files(service, model["services"][service_name], at, disk, variables, faults, hidden)
    faults.stop()
    used = _used(services)
    return ComposeProject(
        name=name,
        services=_as_services(services, model),
        disabled_services=_as_services(disabled, model),
        **{section: {k: v for k, v in found.items() if k in used[section]} for section, found in resources.items()},
        extensions={key: _plain(value) for key, value in sorted(model.items()) if key.startswith("x-")},
        files=tuple(sorted(disk.files)),
        warnings=tuple(disk.warnings),
        working_dir=sources.folder,
        documents=tuple(faults.documents),
        hidden=hidden or {},
    )


def _services(
    model: dict[str, Any], profiles: Sequence[str], faults: Faults
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Write every service, and part them into enabled and disabled ones."""
    enabled: dict[str, dict[str, Any]] = {}
    disabled: dict[str, dict[str, Any]] = {}
    active = frozenset(profiles)
    for name, service in sorted((model.get("services") or {}).items()):
        written = render.service(service, ("services", name), faults)
        wanted = written.get("profiles")
        on = not wanted or "*" in active or not active.isdisjoint(wanted)
        (enabled if on else disabled)[name] = written
    return enabled, disabled


def _read_files(
    written: dict[str, Any],
    service: dict[str, Any],
    path: Path,
    disk: Disk,
    variables: Mapping[str, str],
    faults: Faults,
    hidden: dict[str, str] | None,
) -> None:
    """Put env files under the environment, and label files under the labels, of a written service.

    Where `hidden` is given, it takes the env files' values, and the environment their references.
    """
    values: dict[str, Any] = {}
    for index, entry in enumerate(service.get("env_file") or ()):
        file, at = FilePath(entry["path"]), (*path, "env_file", index)
        raw = entry.get("format") == "raw"
        if entry.get("format") and not raw:
            faults.at(at, f"has the unknown format `{entry['format']}`", "use `raw`, or remove `format`")
        elif file.exists():
            _update(values, file, lambda key: values.get(key, variables.get(key)), disk, faults, raw=raw)
        elif entry["required"] not in (False, "false"):
            faults.at(at, f"names {disk.shown(file)}, which is not there", "correct the path, or add `required: false`")
    if hidden is not None:
        for key, value in values.items():
            if value:
                hidden[f"{path[1]}/{key}"] = value
                values[key] = reference(f"{path[1]}/{key}")
    if values:
        written["environment"] = {**values, **(written.get("environment") or {})}
    labels: dict[str, Any] = {}
    for index, entry in enumerate(service.get("label_file") or ()):
        if FilePath(entry).exists():
            _update(labels, FilePath(entry), labels.get, disk, faults)
        else:
            faults.at(
                (*path, "label_file", index), f"names {disk.shown(entry)}, which is not there", "correct the path"
            )
    if labels:
        written["labels"] = {**labels, **(written.get("labels") or {})}


def _update(
    values: dict[str, Any], file: FilePath, lookup: Any, disk: Disk, faults: Faults, *, raw: bool = False
) -> None:
    disk.files[file] = None
    try:
        values.update(read_env_file(file, disk.shown(file), lookup, raw=raw))
    except ConfigError as error:
        faults.problems.extend(error.problems)


def _used(services: Mapping[str, dict[str, Any]]) -> dict[str, set[str]]:
    """Return the names of the networks, volumes, secrets and configs that the services use."""
    used: dict[str, set[str]] = {section: set() for section in _RESOURCES}
    for service in services.values():
        used["networks"].update(service.get("networks") or ())
        for volume in service.get("volumes") or ():
            if volume.get("type") == "volume" and volume.get("source"):
                used["volumes"].add(volume["source"])
        for section, holder in (("secrets", service), ("secrets", service.get("build") or {}), ("configs", service)):
            used[section].update(mount.get("source", "") for mount in holder.get(section) or ())
    return used


def _as_services(written: Mapping[str, dict[str, Any]], model: Mapping[str, Any]) -> dict[str, Service]:
    return {name: Service(name, raw, _extensions(model["services"][name])) for name, raw in written.items()}


def _extensions(service: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in sorted(service.items()) if key.startswith("x-")}


def _plain(value: Any) -> Any:
    """Return an extension's value as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Timestamp):
        return value.json
    return number(value) if isinstance(value, float) else value
