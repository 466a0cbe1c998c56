"""Read a configuration file: its syntax, and which environments and providers it names. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

from stagecraft.config.assemble import assemble
from stagecraft.config.fill import fill
from stagecraft.text_input import read_text

Steps = tuple["str | int", ...]


class Document(Protocol):
    """Plain data that knows the place of every value."""

    @property
    def data(self) -> Any: ...
    def mark(self, path: Steps = ()) -> Mark: ...
    def key_mark(self, path: Steps) -> Mark: ...


@attrs.frozen(eq=False)
class RawConfig:
    """A configuration file as it was read.

    Attributes:
        path: The file.
        root: The project's folder: the one that holds the file.
        data: Plain data, variables substituted.
        document: Where every value stands.
    """

    path: Path
    root: Path
    data: Mapping[str, Any] = attrs.field(repr=False)
    document: Document = attrs.field(repr=False, eq=False)

    @property
    def environments(self) -> tuple[str, ...]:
        """Return the names of the environments that the file defines, sorted."""
        found = self.data.get("environments")
        return tuple(sorted(found)) if isinstance(found, dict) else ()

    @property
    def plugins(self) -> tuple[str, ...]:
        """Return the names of the plugins to load besides those of the providers, sorted."""
        found = self.data.get("plugins")
        return tuple(sorted({p for p in found if isinstance(p, str)})) if isinstance(found, list) else ()

    def provider_names(self, environment: str | None = None) -> frozenset[tuple[str, str]]:
        """Return `(kind, name)` of every provider and engine that an environment chooses; None: any of them."""
        chosen = (environment,) if environment is not None else (None, *self.environments)
        return frozenset().union(*(assemble(self.data, name).provider_names() for name in chosen))


def read(path: Path, environ: Mapping[str, str]) -> RawConfig:
    """Read a configuration file, YAML or TOML by its suffix; raise ConfigError unless it is a mapping of keys."""
    name = path.name
    document = _toml(path, name) if path.suffix == ".toml" else _yaml(path, name)
    data = document.data
    where = document.mark(())
    if data is None or data == {}:
        hint = "run `stagecraft init --force` to write one, or begin with `project: {name: …}`"
        raise ConfigError([Problem("the configuration is empty", hint, where)])
    if not isinstance(data, dict):
        what = "a list" if isinstance(data, list) else "a single value"
        hint = "begin with `project: {name: …}`"
        raise ConfigError([Problem(f"expected a mapping of keys, got {what}", hint, where)])
    return RawConfig(path, path.parent, fill(data, environ.get), document)


def _yaml(path: Path, name: str) -> Document:
    from stagecraft.yaml_marks import load_marked

    return load_marked(path, name)


def _toml(path: Path, name: str) -> Document:
    from stagecraft.config.toml_marks import load_toml

    whole = load_toml(read_text(path, name), name)
    if name != "pyproject.toml":
        return whole
    tool = whole.data.get("tool")
    if not isinstance(tool, dict) or "stagecraft" not in tool:
        hint = "add it, or run `stagecraft init`"
        raise ConfigError([Problem("there is no table [tool.stagecraft] here", hint, Mark(name, 1, 1))])
    return whole.table("tool", "stagecraft")
