"""Files that routes name: read from the project, written to the host, keys for their owner alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import File

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


def write(machine: Machine, folder: str, files: Mapping[str, File]) -> None:
    """Write those files that are not there as they should be, sorted by path."""
    for path, file in sorted(files.items()):
        whole = f"{folder}/{path}"
        if file.secret or current(machine, whole) != file.data:
            machine.write(whole, file.data, mode=file.mode)


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
