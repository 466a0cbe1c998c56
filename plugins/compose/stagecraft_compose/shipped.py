"""Decide which bind mounts travel with a release, and which stay on a host. Pure.

A read-only file of the project (``./nginx.conf:/etc/nginx/nginx.conf:ro``) is part of the release: it is shipped,
fingerprinted, and a rollback brings the old one back. On this machine everything else stays where it is, below the
project's folder. On another host read-only folders are part of the release too, and what is mounted read-write is kept
there, below ``HOME/data``.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import NotFound, StagecraftError
from stagecraft_hookspecs.values import File, Host

from stagecraft_compose import naming, services
from stagecraft_compose.naming import escape

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Deployment

#: Bytes that one bind mount may add to a release.
LIMIT = 32 << 20


class Way(enum.StrEnum):
    """Say what becomes of a bind mount on a host."""

    HOST = "host"
    PROJECT = "project"
    FILE = "file"
    FOLDER = "folder"
    DATA = "data"
    REFUSED = "refused"


@attrs.frozen
class Bind:
    """Describe a mount and, for a bind mount, what becomes of it.

    Attributes:
        mount: As the service defines it, in the long syntax.
        way: ``HOST`` leaves it alone; so are mounts that are no bind mounts.
        path: Relative to the project; empty with ``HOST``.
        files: What travels with the release, by path in the project.
        problem, hint: With ``REFUSED``: why, and what to do.
    """

    mount: Mapping[str, Any]
    way: Way = Way.HOST
    path: str = ""
    files: Mapping[str, File] = attrs.field(factory=dict, repr=False)
    problem: str = ""
    hint: str = ""

    @property
    def source(self) -> str:
        """Return what the rendered file names as the source."""
        if self.way in (Way.FILE, Way.FOLDER):
            return f"./files/{escape(self.path)}"
        if self.way is Way.DATA:
            return f"{naming.placeholder('DATA')}/{escape(self.path)}"
        if self.way is Way.PROJECT:
            root = naming.placeholder("ROOT")
            return root if self.path == "." else f"{root}/{escape(self.path)}"
        return str(escape(self.mount.get("source") or ""))


def binds(definition: Mapping[str, Any], deployment: Deployment, host: Host) -> Iterator[Bind]:
    """Return what becomes of a service's mounts on a host."""
    for mount in services.mounts(definition):
        path = relative(deployment, str(mount.get("source") or "")) if mount.get("type") == "bind" else None
        if path is None:
            yield Bind(mount)
        elif naming.is_local(host):
            yield _here(mount, path, deployment)
        else:
            yield _elsewhere(mount, path, deployment)


def _here(mount: Mapping[str, Any], path: str, deployment: Deployment) -> Bind:
    if not mount.get("read_only") or deployment.folder is None or read(deployment, path) is None:
        return Bind(mount, Way.PROJECT, path)
    return Bind(mount, Way.FILE, path, _shown(deployment.folder.tree(path, LIMIT)))


def _elsewhere(mount: Mapping[str, Any], path: str, deployment: Deployment) -> Bind:
    if path == ".":
        hint = "copy what it needs into the image, or mount the files and folders that it needs"
        return Bind(mount, Way.REFUSED, path, problem="mounts the whole project, which does not travel", hint=hint)
    if not mount.get("read_only") or deployment.folder is None:
        return Bind(mount, Way.DATA, path)
    try:
        files = deployment.folder.tree(path, LIMIT)
    except NotFound:
        hint = "put it there, or mount it without read_only: then it is made and kept on the host"
        return Bind(mount, Way.REFUSED, path, problem=f"mounts ./{path}, which is not in the project", hint=hint)
    except StagecraftError as error:
        hint = error.hint or "put it into the image, or mount it without read_only: then it is sent once"
        return Bind(mount, Way.REFUSED, path, problem=f"mounts ./{path}: {error.message}", hint=hint)
    return Bind(mount, Way.FILE if path in files else Way.FOLDER, path, _shown(files))


def _shown(files: Mapping[str, File]) -> dict[str, File]:
    """Return files as containers see them: executable or not as in the project, and readable, since whose they are on
    a host has nothing to do with the container's user.
    """
    return {path: File(file.data, 0o555 if file.mode & 0o100 else 0o444) for path, file in files.items()}


def mount(bind: Bind) -> dict[str, Any]:
    """Return a mount as the rendered file has it."""
    rendered: dict[str, Any] = escape({k: v for k, v in bind.mount.items() if v not in (None, {})})
    return rendered if bind.way is Way.HOST else {**rendered, "source": bind.source}


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
