"""Read, write and remove files on this machine so that a crash leaves the old or the new content, never a mixture."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stagecraft_hookspecs.errors import NotFound, ProviderError


def read(path: Path) -> bytes:
    """Return a file's bytes; raises NotFound or ProviderError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("file", str(path), hint="it may have been removed by hand") from None
    except OSError as error:
        raise ProviderError(f"cannot read {path}: {error.strerror}") from error


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file in full or not at all: temporary file beside it, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode & 0o700 | 0o200)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ProviderError(
            f"cannot write {path}: {error.strerror}", hint="check the disk's free space and the folder's permissions"
        ) from error


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all below it; nothing when there is none."""
    import shutil

    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ProviderError(f"cannot remove {path}: {error.strerror}", hint="check the folder's permissions") from error
