"""Read stagecraft.yml: find it, read it, resolve one environment of it.

    raw = read(find(cwd, None, environ), environ)
    config = resolve(raw, "prod", classes, defaults)

`find` looks for the file; `read` knows its syntax and which providers it names; `resolve` needs the classes of these
providers and returns the frozen `Config`, or raises one ConfigError with every fault. `validate` looks at every
environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecraft.config.document import RawConfig, read
from stagecraft.config.locate import find
from stagecraft.config.model import Chosen, Config, DatabaseConfig
from stagecraft.config.resolve import resolve, resolve_base, validate
from stagecraft.config.settings import DevSettings, Rollout, ServiceSettings, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecraft_hookspecs.provider import Provider


def schema(classes_by_kind: Mapping[str, Mapping[str, type[Provider]]]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of stagecraft.yml with the given providers."""
    from stagecraft.config.json_schema import document_schema

    return document_schema(classes_by_kind)


__all__ = [
    "Chosen",
    "Config",
    "DatabaseConfig",
    "DevSettings",
    "RawConfig",
    "Rollout",
    "ServiceSettings",
    "Strategy",
    "find",
    "read",
    "resolve",
    "resolve_base",
    "schema",
    "validate",
]
