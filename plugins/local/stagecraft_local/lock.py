"""The lock of an environment: a flock that lives as long as the process that holds it.

The file says who holds it, the flock says whether anybody does: what a killed run left in the file is never believed.
A stopped holder (SIGSTOP) keeps its lock: on one machine nothing could keep it from going on when it is continued.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import LockHeld
from stagecraft_hookspecs.state import Holder, Lease

from stagecraft_local import files
from stagecraft_local.folder import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stagecraft_hookspecs.context import Context

    from stagecraft_local.places import Places

#: Seconds between two tries.
POLL = 0.05
#: Tries before a lock counts as held, where a living run is named in it and where none is. One who merely looks
#: (``current``) has the lock for microseconds and is not named, and neither is a run that has just begun.
TRIES_NAMED, TRIES_UNNAMED = 2, 100

_HINT = "wait for it with `--wait`, or look again with `stagecraft lock status`"


@attrs.frozen
class FileLease(Lease):
    """Prove the lock by the open file; ``_fds`` is emptied when it is given back."""

    _path: Path
    _fds: list[int]

    def alive(self) -> bool:
        """Tell whether we still have the file open and it is still the one that others would lock."""
        return bool(self._fds) and _same(self._fds[0], self._path)


@contextlib.contextmanager
def held(ctx: Context, at: Places, holder: Holder, wait: float) -> Iterator[Lease]:
    """Hold the lock of ``ctx.environment``. Raises LockHeld, ProviderError, and what ``ctx.sleep`` raises."""
    path = at.lock(ctx.environment)
    with files.explained(at, "lock", path):
        prepare(at)
        files.make_folder(path.parent)
        holder = _complete(holder)
        fds = [_acquire(ctx, path, wait)]
        # a child that is forked without exec would keep the lock beyond our end
        os.register_at_fork(after_in_child=lambda: _close(fds))
        try:
            _announce(fds[0], holder)
        except OSError:
            _close(fds)
            raise
    try:
        yield FileLease(holder, path, fds)
    finally:
        with contextlib.suppress(OSError):
            if fds:
                os.ftruncate(fds[0], 0)
        _close(fds)


def current(at: Places, environment: str) -> Holder | None:
    """Return who holds an environment's lock, or None. Writes nothing."""
    import fcntl

    path = at.lock(environment)
    with files.explained(at, "read", path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return read(path) or Holder(who="another run", command="")
        finally:
            os.close(fd)
    return None


def read(path: Path) -> Holder | None:
    """Return the holder that the lock's file names, or None while it is being written."""
    import json

    try:
        said = json.loads(path.read_bytes())
        return Holder(said["who"], said["command"], said["since"], int(said["pid"]), said["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refusal(environment: str, holder: Holder | None) -> LockHeld:
    """Return the error that names the holder and the next step."""
    if holder is None or not holder.pid:
        return LockHeld(f"{environment} is locked by another run", hint=_HINT)
    host = f" on {holder.host}" if holder.host and holder.host != os.uname().nodename else ""
    what = f"{holder.command}, pid {holder.pid}{host}"
    text = f"{environment} is locked by {holder.who} since {_clock(holder.since)} ({what})"
    if holder.pid == os.getpid():
        return LockHeld(f"{text}, which is this very run", hint="a run takes an environment's lock once")
    if is_ours(holder):
        return LockHeld(
            f"{text}, the run that started this command",
            hint="a hook of a run cannot start another run of the same environment: take the call out of the hook",
        )
    return LockHeld(text, hint=_HINT)


def _acquire(ctx: Context, path: Path, wait: float) -> int:
    """Return an open, locked descriptor of ``path``."""
    deadline = ctx.monotonic() + wait
    tries = 0
    while True:
        fd = _try(path)
        if fd is not None:
            return fd
        tries += 1
        holder = read(path)
        settled = tries >= (TRIES_NAMED if _may_live(holder) else TRIES_UNNAMED)
        if settled and (ctx.monotonic() >= deadline or is_ours(holder)):
            raise refusal(ctx.environment, holder)
        ctx.sleep(POLL if settled else 0.01)


def _try(path: Path) -> int | None:
    """Lock ``path`` if nobody has; None if somebody has, or if the file was replaced under us."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _same(fd, path):
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _announce(fd: int, holder: Holder) -> None:
    """Write into the locked file who holds it. No fsync: it matters only while we live."""
    import json

    os.ftruncate(fd, 0)
    files.write_all(fd, json.dumps(attrs.asdict(holder)).encode("ascii") + b"\n")


def _complete(holder: Holder) -> Holder:
    """Fill in what the caller left open: time, process, machine."""
    import datetime

    return attrs.evolve(
        holder,
        since=holder.since or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        pid=holder.pid or os.getpid(),
        host=holder.host or os.uname().nodename,
    )


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


def _clock(since: str) -> str:
    """Return the local time of day of an RFC 3339 time, with its date unless that is today."""
    import datetime

    try:
        then = datetime.datetime.fromisoformat(since).astimezone()
    except ValueError:
        return since
    today = then.date() == datetime.datetime.now(then.tzinfo).date()
    return then.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def _may_live(holder: Holder | None) -> bool:
    """Tell whether the process that a lock file names is there; of one on another machine we cannot know."""
    if holder is None or holder.pid <= 0:
        return False
    if holder.host != os.uname().nodename:
        return True
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def is_ours(holder: Holder | None) -> bool:
    """Tell whether this process or one that started it holds the lock: waiting for that would never end."""
    return holder is not None and holder.host == os.uname().nodename and holder.pid in _ancestors()


def _ancestors() -> set[int]:
    """Return our process id and those of the processes above us, as far as the system shows them."""
    from pathlib import Path

    found, pid = {os.getpid(), os.getppid()}, os.getppid()
    while pid > 1:
        try:
            # the name in parentheses may hold spaces; the parent is the second field behind it
            pid = int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
        found.add(pid)
    return found - {0, 1}
