"""Write files so that a crash, a full disk or a power cut leaves the old content or the new, never anything else.

The protocol is the one that survives exhaustive crash enumeration (Pillai et al., OSDI 2014): temporary file in the
same folder, write, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stagecraft_local.places import Places

#: Seconds that a writer waits for another writer of the same file; a write takes milliseconds.
PATIENCE = 10.0

_ELSEWHERE = "STAGECRAFT_STATE_FILE=/path/releases.json"
_ACCESS = f"give your user access to it (`ls -la` shows who owns it), or keep the state elsewhere with {_ELSEWHERE}"
_ADVICE = {
    errno.ENOSPC: "free space on the disk that holds it, then run the command again; what was saved before is intact",
    errno.EDQUOT: "free space within your disk quota, then run the command again; what was saved before is intact",
    errno.EROFS: f"mount the disk writable, or keep the state elsewhere with {_ELSEWHERE}",
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EIO: "the disk reports an error (see `dmesg`): copy the folder to a sound disk, then run the command again",
    errno.EMFILE: "raise the limit of open files with `ulimit -n 4096`, then run the command again",
    errno.ENFILE: "the system is out of open files: close programs, then run the command again",
    errno.ELOOP: "a link stands where a file of Stagecraft belongs: remove the link",
    errno.EEXIST: "a file stands where a folder of Stagecraft belongs: move it away",
    errno.ENOTDIR: "a file stands where a folder of Stagecraft belongs: move it away",
    errno.EISDIR: "a folder stands where a file of Stagecraft belongs: move it away, or correct STAGECRAFT_STATE_FILE",
    errno.ETIMEDOUT: "another process is stuck while writing it: find it with `fuser -v` on the .lock files beside it",
    errno.ENOENT: "the folder went away while it was in use: run the command again",
}
_NO_LOCKS = f"its filesystem has no file locks (NFS?): keep the state on a local disk with {_ELSEWHERE}"
_LOCKLESS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


@contextlib.contextmanager
def explained(at: Places, doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a ProviderError that names the file, the reason and the next step."""
    try:
        yield
    except OSError as e:
        number = e.errno or 0
        advice = _NO_LOCKS if number in _LOCKLESS else _ADVICE.get(number, "run `stagecraft doctor`")
        reason = (os.strerror(number) if number else str(e)).lower()
        raise ProviderError(f"cannot {doing} {at.show(path)}: {reason}", hint=advice) from e


def read(path: Path) -> bytes | None:
    """Return a file's bytes, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def replace(files: dict[Path, bytes]) -> None:
    """Write each file (all in one folder) in full or not at all; durable when it returns.

    All new content is on disk before the first name changes, so a full disk changes nothing. The names change in order.
    The caller has the folder to itself (``exclusive``).
    """
    parts = {path: path.with_name(f"{path.name}.tmp") for path in files}
    folder = next(iter(files)).parent
    try:
        for path, data in files.items():
            create(parts[path], data)
        for path, part in parts.items():
            first = not path.exists()
            part.replace(path)
            if first:
                # a copy must never be on disk without its original
                sync_folder(folder)
    except OSError:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink()
        raise
    sync_folder(folder)


def create(path: Path, data: bytes) -> None:
    """Write a new file (mode 0600) and fsync it; a left-over of that name is removed first, never written through."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        path.unlink()
        fd = os.open(path, flags, 0o600)
    try:
        write_all(fd, data)
        sync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``; the kernel may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Put a file's content on the disk itself."""
    import fcntl

    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache
    if full is None:
        os.fsync(fd)
    else:
        fcntl.fcntl(fd, full)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path, *, link: bool = False) -> None:
    """Make a folder (mode 0700) and those above it, durably; a link in its place is an error unless allowed."""
    import stat

    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        if folder.parent != folder:
            make_folder(folder.parent, link=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        sync_folder(folder.parent)
        return
    if stat.S_ISLNK(mode) and not link:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
    if not folder.is_dir():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


@contextlib.contextmanager
def exclusive(guard: Path) -> Iterator[None]:
    """Keep other writers out for the milliseconds of one write, by flock on ``guard``.

    It polls by the clock of the machine and not through the context: an interrupted run must still be able to record
    that it was interrupted. Raises OSError (ETIMEDOUT) when a writer is stuck.
    """
    import fcntl

    fd = os.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(guard)) from None
                time.sleep(0.003)
        yield
    finally:
        os.close(fd)
