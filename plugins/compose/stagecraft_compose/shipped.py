"""Decide which bind mounts travel with a release. Pure.

A read-only file of the project (``./nginx.conf:/etc/nginx/nginx.conf:ro``) is part of the release: it is shipped,
fingerprinted, and a rollback brings the old one back. Everything else stays where it is, below the project's folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.values import File

from stagecraft_compose import naming, services
from stagecraft_compose.naming import escape

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Deployment


def mounts(definition: Mapping[str, Any], deployment: Deployment) -> tuple[list[dict[str, Any]], dict[str, File]]:
    """Return the service's mounts in the long syntax, and the files that travel with the release."""
    found: list[dict[str, Any]] = []
    files: dict[str, File] = {}
    for mount in services.mounts(definition):
        rendered = escape({k: v for k, v in mount.items() if v not in (None, {})})
        source = str(mount.get("source") or "")
        path = relative(deployment, source) if mount.get("type") == "bind" else None
        if path is not None:
            data = read(deployment, source) if mount.get("read_only") else None
            if data is None:
                root = naming.placeholder("ROOT")
                rendered["source"] = root if path == "." else f"{root}/{escape(path)}"
            else:
                files[f"files/{path}"] = File(data, _mode(data))
                rendered["source"] = f"./files/{escape(path)}"
        found.append(rendered)
    return found, files


def relative(deployment: Deployment, source: str) -> str | None:
    """Return a path relative to the project's folder; None for one outside it."""
    path = posixpath.normpath(source or ".")
    if path.startswith("/"):
        root = posixpath.normpath(deployment.root or "/")
        if root == "/" or not f"{path}/".startswith(f"{root}/"):
            return None
        path = posixpath.relpath(path, root)
    return None if path.startswith(("..", "~")) else path


def read(deployment: Deployment, source: str) -> bytes | None:
    """Return a project file's bytes; None for a folder, a missing or too large file, or one outside the project."""
    path = relative(deployment, source) if source else None
    if deployment.folder is None or path is None:
        return None
    try:
        return deployment.folder.read(path)
    except (StagecraftError, OSError):
        return None


def _mode(data: bytes) -> int:
    """Return a shipped file's mode: a script stays executable, everything can be read by any user of the container."""
    return 0o555 if data.startswith(b"#!") else 0o444
