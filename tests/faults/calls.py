"""Run a program, count its file system calls below a folder, and kill it or fail a call at any of them.

The counting is exact over all threads and child processes: each call waits (seccomp user notification) until we have looked
at it. strace injects by counts per thread, which cannot tell one worker thread's third write from another's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from tests.faults import launcher

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_FIRST_IS_PATH = {"open", "creat", "rename", "unlink", "rmdir", "mkdir", "link", "chmod"}
_FOLDER_THEN_PATH = {"openat", "renameat", "renameat2", "unlinkat", "mkdirat", "linkat", "fchmodat"}
_TWO_PATHS = {"rename": (0, 1), "link": (0, 1), "symlink": (1,), "symlinkat": (2,)}
#: What can fail for want of space.
SPACE = frozenset(
    {"write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "mkdir", "mkdirat", "link", "linkat"}
)
#: What cannot fail without the command's knowing that its state was not saved.
SERIOUS = SPACE - {"ftruncate"} | {"rename", "renameat", "renameat2"}


@attrs.frozen
class Call:
    """Describe a system call that touched the folder: its name and the path relative to it."""

    name: str
    path: str
    creates: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.path}"


@attrs.frozen
class Fault:
    """Say what happens at which call.

    Attributes:
        at: Index of the call below the folder, from 0.
        error: errno that the call returns instead of being made; 0 means that the process is killed before it.
        lasting: Whether every later call that needs space fails too, as on a disk that stays full.
    """

    at: int
    error: int = 0
    lasting: bool = False


@attrs.frozen
class Outcome:
    """Hold what a run did: exit code (negative: the signal), output, the calls, and the one that the fault met."""

    exit_code: int
    stdout: str
    stderr: str
    calls: tuple[Call, ...]
    hit: Call | None


def run(
    argv: Sequence[str],
    folder: Path,
    *,
    cwd: Path,
    env: Mapping[str, str],
    fault: Fault | None = None,
    ignore: Sequence[str] = (),
    timeout: float = 60,
    watch: Watch | None = None,
    output: Path | None = None,
) -> Outcome:
    """Run ``argv`` to its end and return what it did to ``folder`` (which need not exist yet), ``ignore`` in it left out.

    ``watch`` looks at the calls instead of the usual one, ``output`` gets standard output. Processes that outlive the program go
    on and keep being served until they end.
    """
    ours, theirs = socket.socketpair()
    with open(output, "w+b") if output else tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours:
        with theirs:
            start = [sys.executable, "-I", "-S", launcher.__file__, str(theirs.fileno()), *argv]
            process = subprocess.Popen(
                start,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=[theirs.fileno()],
            )
        watch = watch or Watch(folder, fault, tuple(ignore))
        try:
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
            if not fds:
                process.wait()
                err.seek(0)
                raise RuntimeError(f"the launcher failed: {err.read().decode()}")
            threading.Thread(target=watch.serve, args=(fds[0],), daemon=True).start()
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return Outcome(code, out.read().decode(), err.read().decode(), tuple(watch.calls), watch.hit)


def scratch() -> str | None:
    """Return a folder in memory where there is one: thousands of fsyncs there do not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None


def missing() -> str:
    """Return why calls cannot be watched on this machine, or an empty string."""
    if sys.platform != "linux" or os.uname().machine not in launcher.MACHINES:
        return f"system calls are watched on Linux ({', '.join(sorted(launcher.MACHINES))}) only"
    try:
        run(("true",), Path("/nonexistent"), cwd=Path("/"), env={"PATH": os.environ.get("PATH", os.defpath)})
    except (OSError, RuntimeError) as e:
        return str(e).strip().splitlines()[-1]
    return ""


class Watch:
    """Answer the notifications of one program."""

    def __init__(self, folder: Path, fault: Fault | None, ignore: tuple[str, ...]) -> None:
        self.folder = str(folder)
        self.fault = fault
        self.ignored = tuple(f"{folder}/{name}/" for name in ignore)
        self.calls: list[Call] = []
        self.hit: Call | None = None
        column = launcher.MACHINES[os.uname().machine][0]
        self.names = {pair[column]: name for name, pair in launcher.NUMBERS.items()}

    def serve(self, listener: int) -> None:
        """Look at each call and let it pass, fail it, or kill its process; return when the last process has ended."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        try:
            while True:
                [(_, event)] = poll.poll()
                if not event & select.POLLIN:
                    return
                buffer = bytearray(80)
                try:
                    fcntl.ioctl(listener, _RECEIVE, buffer)
                except OSError:
                    continue  # its process has ended meanwhile
                number, pid, _, call, _, _, *args = struct.unpack("QIIiIQ6Q", buffer)
                error = self.look(pid, self.names[call], args)
                if error is None:
                    continue
                answer = struct.pack("QqiI", number, 0, -error, 0 if error else _CONTINUE)
                with contextlib.suppress(OSError):
                    fcntl.ioctl(listener, _SEND, answer)
        finally:
            os.close(listener)

    def look(self, pid: int, name: str, args: list[int]) -> int | None:
        """Return the errno for a call, 0 to let it pass, None where its process was killed."""
        paths = [p for p in self.paths(pid, name, args) if p == self.folder or p.startswith(self.folder + "/")]
        if not paths or f"{paths[-1]}/".startswith(self.ignored):
            return 0
        flags = args[2] if name == "openat" else args[1] if name == "open" else 0
        call = Call(name, paths[-1][len(self.folder) + 1 :] or ".", bool(flags & os.O_CREAT))
        index = len(self.calls)
        self.calls.append(call)
        fault = self.fault
        if fault is None or index < fault.at:
            return 0
        if index == fault.at:
            self.hit = call
            if not fault.error:
                os.kill(self.group(pid), signal.SIGKILL)
                return None
            return fault.error
        return fault.error if fault.lasting and (name in SPACE or call.creates) else 0

    def paths(self, pid: int, name: str, args: list[int]) -> list[str]:
        """Return the absolute paths that a call names, by path or by descriptor."""
        if name in _TWO_PATHS:
            return [self.text(pid, args[i], None) for i in _TWO_PATHS[name]]
        if name in _FIRST_IS_PATH:
            return [self.text(pid, args[0], None)]
        if name in _FOLDER_THEN_PATH:
            found = [self.text(pid, args[1], args[0])]
            if name.startswith(("renameat", "linkat")):
                found.append(self.text(pid, args[3], args[2]))
            return found
        return [self.link(pid, f"fd/{args[0] & 0xFFFFFFFF}")]

    def text(self, pid: int, address: int, folder: int | None) -> str:
        """Read a path from the memory of a process; a relative one starts at its descriptor ``folder`` or its own folder."""
        try:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                room = 4096 - address % 4096
                raw = memory.read(room)
                if b"\0" not in raw:
                    raw += memory.read(4096)
        except OSError:
            return ""
        path = os.fsdecode(raw.partition(b"\0")[0])
        if not path.startswith("/"):
            at = folder if folder is not None and folder & 0xFFFFFFFF != 0xFFFFFF9C else None
            path = f"{self.link(pid, 'cwd' if at is None else f'fd/{at & 0xFFFFFFFF}')}/{path}"
        return os.path.normpath(path)

    def link(self, pid: int, name: str) -> str:
        """Return where a descriptor or folder of a process points."""
        try:
            return os.readlink(f"/proc/{pid}/{name}").removesuffix(" (deleted)")
        except OSError:
            return ""

    def group(self, pid: int) -> int:
        """Return the process of a thread."""
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("Tgid:")[2].split()[0])
