"""Own the development session of a project: one at a time, guarded, and cleaned up after if it was killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, Refused

from stagecraft.dev import reaping

#: Where a session keeps its files, relative to the project.
FOLDER = ".stagecraft/dev"

SCHEMA = 1

#: Seconds that processes have between SIGTERM and SIGKILL.
GRACE = 5.0


@attrs.define(eq=False)
class Session:
    """Mark, register and guard the processes of a session.

    Attributes:
        prefix: What the marks of this session's processes begin with.
        warn: Told what does not work without being needed.
    """

    folder: Path
    prefix: str
    warn: Callable[[str], None]
    _guardian: subprocess.Popen[bytes] | None = None
    _running: dict[str, int] = attrs.Factory(dict)

    def mark(self, name: str) -> dict[str, str]:
        """Return the variable that a process and all its descendants carry."""
        return {reaping.MARK: self.prefix + name}

    def register(self, name: str, pid: int) -> None:
        """Note that a process runs, which leads the group of the same number."""
        self._running[name] = pid
        self._send(f"+{pid}\n")
        self._save()

    def forget(self, name: str) -> None:
        """Note that nothing of a process runs any more."""
        pid = self._running.pop(name, 0)
        if pid:
            self._send(f"-{pid}\n")
            self._save()

    def guard(self) -> None:
        """Start the guardian, which ends what is left when this process is gone."""
        try:
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", reaping.__file__, self.prefix, str(GRACE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self.warn(f"nobody will end the processes if this one is killed: {error.strerror}")

    def close(self) -> None:
        """End the session; the guardian ends what is left of it, which should be nothing."""
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(OSError):
                self._guardian.stdin.close()
        with contextlib.suppress(OSError):
            (self.folder / "session.json").unlink()

    def _send(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(OSError):
                self._guardian.stdin.write(line.encode())
                self._guardian.stdin.flush()

    def _save(self) -> None:
        """Write who runs, for those who look from outside and for the next start after a crash."""
        document = {
            "schema": SCHEMA,
            "pid": os.getpid(),
            "processes": {n: {"pid": p, "started": reaping.start_time(p)} for n, p in sorted(self._running.items())},
        }
        temporary = self.folder / ".session.json.tmp"
        try:
            temporary.write_text(json.dumps(document, indent=2) + "\n")
            temporary.replace(self.folder / "session.json")
        except OSError as error:
            self.warn(f"cannot note what runs: {error.strerror}")


@contextlib.contextmanager
def opened(root: Path, warn: Callable[[str], None]) -> Iterator[Session]:
    """Give the project's session; end first what a former one that was killed has left.

    Raises:
        Refused: A session of this project runs.
        ProviderError: The folder cannot be used.
    """
    import fcntl

    folder = root / FOLDER
    try:
        _prepare(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ProviderError(
            f"cannot use {FOLDER}: {error.strerror}", hint="check the folder's permissions and the disk's free space"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _saved(folder).get("pid", 0)
            raise Refused(
                "a development session of this project runs" + (f": process {pid}" if pid else ""),
                hint="use it, or end it with Ctrl-C" + (f" or `kill {pid}`" if pid else ""),
            ) from None
        project = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
        _end_leftovers(folder, project, warn)
        session = Session(folder, f"{project}.{os.getpid()}.{reaping.start_time(os.getpid())}/", warn)
        try:
            yield session
        finally:
            session.close()
    finally:
        os.close(descriptor)


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# written by stagecraft dev: logs and what runs now\n*\n")


def _saved(folder: Path) -> Mapping[str, Any]:
    try:
        document = json.loads((folder / "session.json").read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _end_leftovers(folder: Path, project: str, warn: Callable[[str], None]) -> None:
    """End what a former session has left. The lock is ours, so none lives: all that carries the project's mark is an orphan."""
    groups = set()
    processes = _saved(folder).get("processes")
    for entry in processes.values() if isinstance(processes, dict) else ():
        pid, started = (entry.get("pid"), entry.get("started")) if isinstance(entry, dict) else (0, "")
        if isinstance(pid, int) and pid > 1 and started and reaping.start_time(pid) == started:
            groups.add(pid)
    found = {*groups, *reaping.marked(f"{project}.")}
    if not found:
        return
    warn(f"ending what a former session has left: {', '.join(map(str, sorted(found)))}")
    if not reaping.end(f"{project}.", groups, GRACE):
        raise ProviderError(
            "what a former session has left cannot be ended",
            hint=f"look at `ps -p {','.join(map(str, sorted(found)))}`",
        )
