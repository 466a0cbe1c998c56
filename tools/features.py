"""Read spec/features.yaml, the register of what Stagecraft can do, and say where it is not true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

REGISTER = "spec/features.yaml"
STATUSES = ("todo", "wip", "done")
KEYS = ("id", "title", "status", "spec", "owner", "tests", "depends_on")
ID = re.compile(r"(CORE|CLI|PROVIDER|MIGRATION|DEPLOY|DEV|INFRA|GOV|EXAMPLE)(_[A-Z0-9]+)+")


@dataclass(frozen=True)
class Feature:
    """One entry of the register.

    Attributes:
        spec: Its page, relative to the checkout.
        owner: The distribution whose code it is, or a folder of the checkout that is none.
        tests: Files or folders.
        depends_on: Ids.
    """

    id: str
    title: str
    status: str
    spec: str
    owner: str
    tests: tuple[str, ...]
    depends_on: tuple[str, ...]


def read_features(root: Path) -> list[Feature]:
    """Return the register's entries in its order; raise ValueError for a file that is not of its form."""
    import yaml

    data = yaml.safe_load((root / REGISTER).read_text())
    return [_feature(entry) for entry in data["features"]]


def faults(features: list[Feature], root: Path) -> list[str]:
    """Return what is wrong with the register, one sentence each; nothing if it is true."""
    ids = [feature.id for feature in features]
    found = [f"{id}: is registered twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    by_id = {feature.id: feature for feature in features}
    for feature in features:
        found += [f"{feature.id}: {fault}" for fault in _faults_of(feature, by_id, root)]
    try:
        TopologicalSorter({f.id: f.depends_on for f in features}).prepare()
    except CycleError as error:
        found.append(f"features depend on each other in a circle: {' -> '.join(error.args[1])}")
    registered = {feature.spec for feature in features}
    pages = sorted(str(path.relative_to(root)) for path in (root / "spec").rglob("*.md"))
    found += [
        f"{page}: no feature has this page" for page in pages if not _without_feature(page) and page not in registered
    ]
    return found


def front_matter(page: Path) -> Mapping[str, Any]:
    """Return the YAML between the two `---` lines at a page's top; empty if it has none."""
    import yaml

    parts = page.read_text().split("---\n", 2)
    values = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    return values if isinstance(values, dict) else {}


def owners(root: Path) -> dict[str, Path]:
    """Return the names that may own a feature, each with its folder."""
    plugins = {f"stagecraft-{path.parent.name}": path.parent for path in (root / "plugins").glob("*/pyproject.toml")}
    folders = {name: root / name for name in ("examples", "tests", "tools")}
    return {"stagecraft": root / "stagecraft", "stagecraft-hookspecs": root / "hookspecs", **plugins, **folders}


def _faults_of(feature: Feature, by_id: Mapping[str, Feature], root: Path) -> list[str]:
    found = []
    if not ID.fullmatch(feature.id):
        found.append(f"the id does not match {ID.pattern}")
    if feature.status not in STATUSES:
        found.append(f"status is {feature.status!r}, not one of {', '.join(STATUSES)}")
    if feature.status != "todo" and feature.owner not in owners(root):
        found.append(f"owner {feature.owner} is not in this checkout")
    found += [f"depends on {id}, which is not registered" for id in feature.depends_on if id not in by_id]
    found += [
        f"{path} does not exist" for path in feature.tests if feature.status != "todo" and not (root / path).exists()
    ]
    page = root / feature.spec
    if page.exists() and front_matter(page).get("feature") != feature.id:
        found.append(f"{feature.spec} does not say `feature: {feature.id}` at its top")
    if feature.status == "done":
        found += _faults_of_done(feature, by_id, page)
    return found


def _faults_of_done(feature: Feature, by_id: Mapping[str, Feature], page: Path) -> list[str]:
    found = [] if page.exists() else [f"is done, but {feature.spec} does not exist"]
    found += [] if feature.tests else ["is done, but has no tests"]
    unfinished = [id for id in feature.depends_on if id in by_id and by_id[id].status != "done"]
    return found + [f"is done, but {id}, on which it depends, is not" for id in unfinished]


def _without_feature(page: str) -> bool:
    """Say whether a page is none of a feature: decisions, and introductions to a folder."""
    return page.startswith("spec/adr/") or page.endswith("/README.md")


def _feature(entry: Mapping[str, Any]) -> Feature:
    if sorted(entry) != sorted(KEYS):
        raise ValueError(f"{entry.get('id', entry)}: the keys are {', '.join(entry)}; they must be {', '.join(KEYS)}")
    texts = {key: entry[key] for key in ("id", "title", "status", "spec", "owner")}
    if not all(isinstance(value, str) and value for value in texts.values()):
        raise ValueError(f"{entry['id']}: {', '.join(texts)} must be texts")
    return Feature(**texts, tests=tuple(entry["tests"]), depends_on=tuple(entry["depends_on"]))
