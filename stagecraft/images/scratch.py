"""Give a run a private folder on disk, and clear away those of runs that were killed.

It lies in the user's cache folder: the folder for temporary files is kept in memory on many machines, and images are large.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path


def make(owner: object) -> tuple[Path, Callable[[], object]]:
    """Return a new folder that only this user can read, and what removes it.

    It is removed in any case when ``owner`` is gone or the process ends.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecraft" / "images"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    held = _hold(folder)
    remove = weakref.finalize(owner, _remove, folder, held)
    blobs = folder / "blobs"
    blobs.mkdir()
    return blobs, remove


def sweep(base: Path) -> None:
    """Remove the folders whose process has ended."""
    for folder in base.glob("run-*"):
        held = _hold(folder)
        if held >= 0:
            _remove(folder, held)


def _hold(folder: Path) -> int:
    """Lock a folder for as long as this process lives; return the descriptor, -1 when another process has it."""
    import fcntl

    try:
        held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return -1
    return held


def _remove(folder: Path, held: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)
