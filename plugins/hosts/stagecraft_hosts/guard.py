"""Keep two runs from one project folder apart, by flock on the file that the provider ``local`` uses for the same.

Runs from other machines are kept out by the lease that a run takes on every host: it ends with the connection, a file's lock here
with the process.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import LockHeld, ProviderError, Refused
from stagecraft_hookspecs.state import Holder, Lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stagecraft_hookspecs.context import Context

#: Seconds between two tries. One who merely looks has the lock for microseconds: it is no holder before some tries have failed.
POLL, TRIES = 0.05, 4
_IGNORE = "# written by Stagecraft: the state of this machine; hooks/ is the project's\n*\n!/hooks/\n!/hooks/**\n"


@attrs.frozen
class FileLease(Lease):
    """Prove the lock by the open file; ``_fds`` is emptied when it is given back."""

    _path: Path
    _fds: list[int]

    def alive(self) -> bool:
        """Tell whether we still have the file open and it is still the one that others would lock."""
        return bool(self._fds) and _same(self._fds[0], self._path)


@contextlib.contextmanager
def held(ctx: Context, holder: Holder, wait: float) -> Iterator[Lease]:
    """Hold the lock of ``ctx.environment`` in this project folder. Raises LockHeld, ProviderError, and what ``sleep`` raises."""
    holder = attrs.evolve(holder, pid=holder.pid or os.getpid(), host=holder.host or os.uname().nodename)
    path = _path(ctx)
    try:
        _prepare(path.parent)
        fds = [_acquire(ctx, path, wait)]
        os.ftruncate(fds[0], 0)
        os.write(fds[0], json.dumps(attrs.asdict(holder)).encode("ascii") + b"\n")
    except OSError as error:
        raise ProviderError(
            f"cannot lock {path}: {error.strerror}", hint="check the folder's disk and owner"
        ) from error
    # a child that is forked without exec would keep the lock beyond our end
    os.register_at_fork(after_in_child=lambda: _close(fds))
    try:
        yield FileLease(holder, path, fds)
    finally:
        with contextlib.suppress(OSError):
            if fds:
                os.ftruncate(fds[0], 0)
        _close(fds)


def current(ctx: Context) -> Holder | None:
    """Return who holds the lock in this project folder, or None. Writes nothing."""
    import fcntl

    path = _path(ctx)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path) or Holder(who="another run", command="")
    finally:
        os.close(fd)
    return None


def _acquire(ctx: Context, path: Path, wait: float) -> int:
    import fcntl

    deadline, tries = ctx.monotonic() + wait, 0
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
        else:
            if _same(fd, path):
                return fd
            os.close(fd)
        tries += 1
        holder = _read(path)
        if tries >= TRIES and (ctx.monotonic() >= deadline or _ours(holder)):
            raise _refusal(ctx.environment, holder)
        ctx.sleep(POLL)


def _refusal(environment: str, holder: Holder | None) -> LockHeld:
    hint = "wait for it with `--wait`, or look again with `stagecraft lock status`"
    if holder is None:
        return LockHeld(f"{environment} is locked by another run", hint=hint)
    text = f"{environment} is locked by {holder.who} since {holder.since} ({holder.command}, pid {holder.pid})"
    if _ours(holder):
        text += ", the run that started this command"
        hint = "a hook of a run cannot start another run of the same environment: take the call out of the hook"
    return LockHeld(text, hint=hint)


def _prepare(folder: Path) -> None:
    """Make the folder of locks, private to the user and unknown to git."""
    state = folder.parent
    if state.is_symlink() and not state.resolve().is_relative_to(state.parent.resolve()):
        raise Refused(f"{state} is a link that leaves the project", hint="remove the link")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (state / ".gitignore").exists():
        state.chmod(0o700)
        (state / ".gitignore").write_text(_IGNORE)


def _path(ctx: Context) -> Path:
    return ctx.root.absolute() / ".stagecraft" / "locks" / f"{ctx.environment}.lock"


def _read(path: Path) -> Holder | None:
    """Return the holder that the file names, or None while it is being written."""
    try:
        said = json.loads(path.read_bytes())
        return Holder(said["who"], said["command"], said["since"], int(said["pid"]), said["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _same(fd: int, path: Path) -> bool:
    """Tell whether ``path`` still names the file that is open: a removed one no longer keeps others out."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _close(fds: list[int]) -> None:
    while fds:
        with contextlib.suppress(OSError):
            os.close(fds.pop())


def _ours(holder: Holder | None) -> bool:
    """Tell whether a process above this one holds the lock: waiting for that would never end."""
    from pathlib import Path

    if holder is None or holder.host != os.uname().nodename:
        return False
    pid, above = os.getpid(), set()
    while pid > 1 and pid not in above:
        above.add(pid)
        try:
            # the name in parentheses may hold spaces; the parent is the second field behind it
            pid = int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return holder.pid in above
