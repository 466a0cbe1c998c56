"""Files that routes name: read from the project, written to the host, keys for their owner alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import File

from stagecraft_container_proxy.names import filename

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Machine


def read(root: Path, path: str) -> bytes:
    """Return a file of the project; raises UserError for one that is missing or lies outside."""
    whole = (root / path).resolve()
    if not whole.is_relative_to(root.resolve()):
        raise UserError(f"{path} lies outside the project", hint="copy it into the project's folder")
    try:
        return whole.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", hint="it is named by a proxy's route") from error


def named(root: Path, routes: Iterable[Route]) -> Mapping[str, File]:
    """Return the files that routes name: ``tls/ROUTE.crt``, ``tls/ROUTE.key`` and ``pages/ROUTE``."""
    found = {}
    for route in routes:
        name = filename(route.id)
        if route.tls == "given":
            found[f"tls/{name}.crt"] = File(read(root, route.certificate))
            found[f"tls/{name}.key"] = File(read(root, route.key), 0o600, secret=True)
        if route.page:
            found[f"pages/{name}"] = File(read(root, route.page))
    return found


def current(machine: Machine, path: str) -> bytes | None:
    """Return a host's file, or None without one."""
    try:
        return machine.read(path)
    except NotFound:
        return None


def digest(files: Mapping[str, File]) -> str:
    """Return one digest of all files: paths and contents."""
    whole = hashlib.sha256()
    for path, file in sorted(files.items()):
        whole.update(f"{path}\0{len(file.data)}\0".encode() + file.data)
    return whole.hexdigest()
