"""Write a tree of files on this machine, touching only those that differ."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import File

from stagecraft.machine import files


def upload(tree: Mapping[str, File], folder: Path, exact: bool) -> tuple[str, ...]:
    """Write files below a folder and return the paths that were written; see ``Machine.upload``."""
    checked(tree)
    changed = [path for path in sorted(tree) if not _same(folder / path, tree[path])]
    for path in changed:
        files.write(folder / path, tree[path].data, mode_of(tree[path]))
    if exact:
        _keep_only(folder, {str(Path(path)) for path in tree})
    return tuple(changed)


def mode_of(file: File) -> int:
    """Return the mode that a file gets; secret ones are the user's alone."""
    return 0o600 if file.secret else file.mode


def checked(tree: Mapping[str, File]) -> None:
    """Raise UserError for a path that leaves the folder."""
    for path in tree:
        if not path or path.startswith("/") or "\0" in path or {"", ".", ".."} & set(path.split("/")):
            raise UserError(f"path {path!r} does not lie below the folder", hint="paths are relative, without `..`")


def _same(path: Path, file: File) -> bool:
    try:
        found = path.lstat()
        return (
            stat.S_ISREG(found.st_mode)
            and stat.S_IMODE(found.st_mode) == mode_of(file)
            and found.st_size == len(file.data)
            and path.read_bytes() == file.data
        )
    except OSError:
        return False


def _keep_only(folder: Path, wanted: set[str]) -> None:
    for parent, folders, names in os.walk(folder, topdown=False):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            path = Path(parent, name)
            if str(path.relative_to(folder)) not in wanted:
                files.remove(path)
        if Path(parent) != folder and not os.listdir(parent):
            files.remove(Path(parent))
