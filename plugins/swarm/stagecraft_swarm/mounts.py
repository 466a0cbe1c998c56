"""Decide what becomes of a service's mounts: files of the project travel as configs of the swarm. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.runtime import Deployment

from stagecraft_swarm import services, translate

#: Bytes that the swarm keeps in one config, and in one secret.
CONFIG_LIMIT, SECRET_LIMIT = 1_000_000, 500_000
#: Files of one folder that are made configs of; more belong into the image or a volume.
MOST_FILES = 100


@attrs.frozen
class Mount:
    """Hold what becomes of a mount.

    Attributes:
        entry: The mount as ``docker stack`` reads it; None where files or a problem take its place.
        files: Path in the project to (path in the container, content, mode).
        problem, hint: Why it cannot be had, and the next step.
    """

    entry: Mapping[str, Any] | None = None
    files: Mapping[str, tuple[str, bytes, int]] = attrs.field(factory=dict)
    problem: str = ""
    hint: str = ""


def mounts(definition: Mapping[str, Any], deployment: Deployment) -> Iterator[Mount]:
    """Return what becomes of every mount of a service, those under ``tmpfs`` too."""
    for entry in services.mounts(definition):
        path = relative(deployment, str(entry.get("source") or "")) if entry.get("type") == "bind" else None
        yield Mount(translate.mount(entry)) if path is None else _of_project(entry, path, deployment)
    given = definition.get("tmpfs") or ()
    for target in [given] if isinstance(given, str) else given:
        yield Mount({"type": "tmpfs", "target": str(target).partition(":")[0]})


def _of_project(entry: Mapping[str, Any], path: str, deployment: Deployment) -> Mount:
    if not entry.get("read_only") or deployment.folder is None or path == ".":
        hint = "use a named volume for what it writes; a mount that is read_only travels with the release"
        return Mount(problem=f"mounts ./{path} of the project to write to", hint=hint)
    target = str(entry["target"])
    try:
        tree = deployment.folder.tree(path, CONFIG_LIMIT * 4)
    except StagecraftError as error:
        return Mount(problem=f"mounts ./{path}: {error.message}", hint=error.hint or "put it into the image")
    large = sorted(name for name, file in tree.items() if len(file.data) > CONFIG_LIMIT)
    if large or len(tree) > MOST_FILES:
        what = f"{large[0]}, larger than 1 MB" if large else f"{len(tree)} files"
        return Mount(problem=f"mounts ./{path} with {what}", hint="put it into the image, or on a volume")
    return Mount(
        files={
            name: (target if name == path else posixpath.join(target, posixpath.relpath(name, path)), f.data, _mode(f))
            for name, f in sorted(tree.items())
        }
    )


def _mode(file: Any) -> int:
    return 0o555 if file.mode & 0o100 else 0o444


def relative(deployment: Deployment, source: str) -> str | None:
    """Return a path relative to the project's folder; None for one outside it."""
    path = posixpath.normpath(source or ".")
    if path.startswith("/"):
        root = posixpath.normpath(deployment.root or "/")
        if root == "/" or not f"{path}/".startswith(f"{root}/"):
            return None
        path = posixpath.relpath(path, root)
    return None if path.startswith(("..", "~")) else path
