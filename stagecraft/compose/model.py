"""A loaded compose project, and its services."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import attrs
from stagecraft_hookspecs.errors import Mark, Problem

from stagecraft.yaml_marks import Marked


@attrs.frozen
class Service:
    """One service. `raw` is its mapping as compose prints it, with real `$` signs; `extensions` are its `x-…` keys."""

    name: str
    raw: Mapping[str, Any] = attrs.field(repr=False)
    extensions: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def image(self) -> str:
        """Return the image reference, or an empty string for a service that is only built."""
        return str(self.raw.get("image", ""))

    @property
    def environment(self) -> Mapping[str, str | None]:
        """Return the variables, env files included; None means named but set nowhere, so not passed on."""
        return self.raw.get("environment") or {}


@attrs.frozen
class ComposeProject:
    """A compose project as `docker compose config` would show it.

    Attributes:
        name: The project name.
        services: Enabled services, by name, sorted.
        disabled_services: Services that no active profile enables, by name, sorted; without env files.
        networks: Top-level networks that an enabled service uses; likewise `volumes`, `configs` and `secrets`.
        extensions: Top-level `x-…` keys.
        files: Every file read, sorted: compose files, `.env`, env files, label files.
        warnings: Variables without a value and obsolete keys, with their places.
        working_dir: The folder that relative paths start from.
        hidden: Values of the services' env files by `SERVICE/NAME`, where references stand in their environments.
    """

    name: str
    services: Mapping[str, Service]
    disabled_services: Mapping[str, Service]
    networks: Mapping[str, Any]
    volumes: Mapping[str, Any]
    configs: Mapping[str, Any]
    secrets: Mapping[str, Any]
    extensions: Mapping[str, Any]
    files: tuple[FilePath, ...]
    warnings: tuple[Problem, ...]
    working_dir: FilePath
    _documents: tuple[Marked, ...] = attrs.field(repr=False, eq=False)
    hidden: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def mark(self, *path: str | int) -> Mark | None:
        """Return where the value at `path` stands, in the last file that has it; None if no file does."""
        for document in reversed(self._documents):
            if document.exists(path):
                return document.mark(path)
        return None

    def key_mark(self, *path: str | int) -> Mark | None:
        """Return where the key of the value at `path` stands, in the last file that has it; None if no file does."""
        for document in reversed(self._documents):
            if document.exists(path):
                return document.key_mark(path)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what `docker compose config --format json` prints, with every `$` doubled as there."""
        printed: dict[str, Any] = {
            "name": self.name,
            "services": {name: service.raw for name, service in self.services.items()},
        }
        for section in ("networks", "volumes", "secrets", "configs"):
            if getattr(self, section):
                printed[section] = getattr(self, section)
        escaped: dict[str, Any] = _escaped({**printed, **self.extensions})
        return escaped


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key.replace("$", "$$"): _escaped(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_escaped(entry) for entry in value]
    return value
