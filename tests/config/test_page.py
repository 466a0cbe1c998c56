"""The page about the configuration says what the code does: every key, value, default and meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stagecraft.config import shapes
from stagecraft.config.assemble import BLOCK_KINDS, OVERRIDES
from stagecraft.config.plain import plain
from stagecraft.config.scalars import FORMATS
from stagecraft.config.settings import HostSettings, RegistrySettings, RouteSettings, Settings

PAGE = (Path(__file__).parents[2] / "spec" / "core" / "config.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \|([^|]+)\|([^|]*)\|([^|]+)\|$", re.MULTILINE)
NAMES = {"hosts": "ROLE", "services": "NAME", "databases": "NAME", "domains": "SERVICE"}


def rows(cls: type, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows that the page must have for a class: key, value, default, meaning."""
    for field in shapes.fields(cls):
        kind = next(m for m in shapes.members(field.type) if m is not type(None))
        key = prefix + field.key
        if shapes.is_mapping(kind):
            key, kind = f"{key}.{NAMES[field.key]}", shapes.mapping_types(kind)[1]
        if shapes.is_record(kind):
            yield from rows(kind, f"{key}.")
            continue
        default: Any = field.attribute.default
        shown = "required" if field.required else ""
        if not field.required and not hasattr(default, "factory") and default not in (None, ()):
            shown = f"`{json.dumps(plain(default))}`".replace('"', "")
        yield key, shapes.describe(kind if shapes.is_mapping(field.type) else field.type), shown, field.help


def test_every_key_is_on_the_page_and_no_other() -> None:
    told = [tuple(part.strip() for part in row) for row in ROW.findall(PAGE)]
    below = [*rows(RouteSettings, "services.NAME.proxy."), *rows(RegistrySettings, "project.registry.")]
    assert sorted(told) == sorted([*rows(Settings), *rows(HostSettings), *below])


def test_every_kind_and_override_and_format_is_on_the_page() -> None:
    kinds = re.search(r"^(`backend`.*) hold providers", PAGE, re.MULTILINE)
    assert kinds and sorted(re.findall(r"`(\w+)`", kinds[1])) == sorted(BLOCK_KINDS)
    overrides = re.search(r"^An environment overrides (.*?) and any provider", PAGE, re.MULTILINE)
    assert overrides and sorted(re.findall(r"`(\w+)`", overrides[1])) == sorted(OVERRIDES)
    formats = re.search(r"^\| `format` \| (.*?): written", PAGE, re.MULTILINE)
    assert formats and sorted(set(re.findall(r"`(\w+)`", formats[1])) - {"float", "int", "str"}) == sorted(FORMATS)


@pytest.mark.parametrize("form", re.findall(r"^backend: .*$", PAGE, re.MULTILINE))
def test_the_forms_on_the_page_mean_the_same(project: Any, form: str) -> None:
    assert project.load(f"project: {{name: a}}\n{form}\n").providers["backend"].config.service == "api"
