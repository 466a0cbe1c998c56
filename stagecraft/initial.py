"""What ``stagecraft init`` sees in a folder, and the stagecraft.yml that it makes of it."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from stagecraft_hookspecs.errors import StagecraftError, UserError

from stagecraft.folder import ProjectFolder

if TYPE_CHECKING:
    from stagecraft_hookspecs.backend import Backend
    from stagecraft_hookspecs.migration import Engine
    from stagecraft_hookspecs.values import Detected

    from stagecraft.compose import ComposeProject
    from stagecraft.kernel import Kernel


@attrs.frozen
class Survey:
    """Hold what was seen.

    Attributes:
        applications: ``backend`` and ``frontend`` to the provider and its block.
        database: The block under ``databases: main``, empty without migrations.
        notes: What was seen, for people.
    """

    project: str
    environment: str
    applications: Mapping[str, tuple[str, Mapping[str, Any]]]
    database: Mapping[str, Any]
    notes: tuple[str, ...]


def survey(root: Path, kernel: Kernel) -> Survey:
    """Look at a folder; asks every installed provider and runs nothing.

    Raises:
        UserError: There is no compose file.
        ConfigError: The compose file has faults.
    """
    from stagecraft.compose import load

    folder = ProjectFolder(root)
    names = [
        n for n in ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml") if folder.exists(n)
    ]
    if not names:
        raise UserError(
            "there is no compose file here",
            hint="write a docker-compose.yml that says what the services are; Stagecraft deploys what it describes",
        )
    import os

    compose = load(root, None, os.environ)
    kernel.load_all()
    notes = [f"{names[0]} with {', '.join(compose.services) or 'no service'}"]
    applications = {}
    for kind in ("backend", "frontend"):
        found = _detect(kernel, folder, kind, compose)
        if found is not None:
            applications[kind] = (found[0], found[1].config)
            notes.append(f"{found[1].reason}: {kind} {found[0]}")
    database, note = _database(kernel, folder, compose)
    notes += [note] if note else []
    return Survey(_name(root.resolve().name), "prod", applications, database, tuple(notes))


def render(seen: Survey, project: str, environment: str) -> str:
    """Return the text of a stagecraft.yml."""
    document: list[dict[str, Any]] = [{"project": {"name": project}}]
    for kind, (provider, block) in sorted(seen.applications.items()):
        document.append({kind: {"provider": provider, "providers": {provider: dict(block)}}})
    if seen.database:
        document.append({"databases": {"main": dict(seen.database)}})
    document.append({"environments": {environment: {}}})
    return _HEAD + "\n".join(_dumped(part) for part in document)


_HEAD = """\
# What Stagecraft deploys, and where. The services themselves stand in the compose file.
# `stagecraft config schema` prints every key; `stagecraft plan` shows what a deploy would do.

"""


def _dumped(part: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(part, sort_keys=False, allow_unicode=True)


def _detect(kernel: Kernel, folder: ProjectFolder, kind: str, compose: ComposeProject) -> tuple[str, Detected] | None:
    """Return the provider that recognises the folder most surely; the first by name where two are as sure."""
    best: tuple[str, Detected] | None = None
    for name, provided in kernel.provided(kind).items():
        found = cast("type[Backend]", provided.cls).detect(folder)
        if found is None or found.config.get("service", "") not in ("", *compose.services):
            continue
        if best is None or found.weight > best[1].weight:
            best = (name, found)
    return best


def _database(kernel: Kernel, folder: ProjectFolder, compose: ComposeProject) -> tuple[dict[str, Any], str]:
    """Return the database whose migrations an engine finds with its usual settings, and what was seen of it."""
    for name, provided in kernel.provided("migration").items():
        try:
            engine = cast("Engine", cast("Any", provided.cls)())
            migrations = engine.discover(folder)
        except (StagecraftError, TypeError):
            continue
        if migrations:
            path = getattr(engine.config, "path", "")
            block: dict[str, Any] = {"connection_env": "DATABASE_URL"}
            for variable, url in _urls(compose):
                block["connection_env"] = variable
                host = urllib.parse.urlsplit(url).hostname
                if host in compose.services:
                    block["service"] = host
                break
            block["migrations"] = {"engine": name, **({"path": path} if path else {}), "strategy": "pre_deploy"}
            count = len(migrations)
            return block, f"{count} migration{'' if count == 1 else 's'} in {path or 'the project'}: engine {name}"
    return {}, ""


def _urls(compose: ComposeProject) -> Iterator[tuple[str, str]]:
    for _, service in sorted(compose.services.items()):
        for variable, value in sorted(service.environment.items()):
            if variable.endswith("DATABASE_URL") or (
                value and re.match(r"(postgres|postgresql|mysql|mariadb|sqlite):", value)
            ):
                yield variable, value or ""


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip("-_.")
    return name or "project"
