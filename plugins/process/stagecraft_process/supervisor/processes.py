"""Start, recognise, watch and end operating-system processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping

#: Set in every instance, so that a descendant that left its process group is still known as ours.
MARK = "STAGECRAFT_INSTANCE"


def start(argv: list[str], cwd: str, env: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own: no terminal, no signal meant for the supervisor reaches it.

    Raises:
        OSError: The executable or the folder is not there, or may not be used.
    """
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        umask=0o022,
    )


def start_time(pid: int) -> str:
    """Return what tells a process from a later one with the same pid: boot and start time; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            return ""
        with open("/proc/sys/kernel/random/boot_id", "rb") as stream:
            return f"{stream.read(8).decode()}-{fields[19].decode()}"
    except FileNotFoundError:
        pass
    except (OSError, IndexError):
        return ""
    if os.path.isdir("/proc/self"):
        return ""
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def alive(pid: int, started: str) -> bool:
    """Tell whether exactly this process still runs."""
    return pid > 0 and started != "" and start_time(pid) == started


async def ended(pid: int, started: str, process: subprocess.Popen[bytes] | None) -> int | None:
    """Wait until a process has ended; return its exit code (negative: the signal), or None if it is not our child."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        while process.poll() is None if process else alive(pid, started):
            await asyncio.sleep(0.1)
        return process.returncode if process else None
    try:
        if process is None and not alive(pid, started):
            return None
        over: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _settle, over)
        try:
            await over
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
    return process.wait() if process else None


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def send(pid: int, number: int, *, group: bool) -> None:
    """Send a signal to a process or to its whole group; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def sweep(mark: str, leader: int) -> None:
    """Kill what an instance left behind: its process group, its session, and whatever carries its mark."""
    if leader > 0:
        send(leader, signal.SIGKILL, group=True)
    for pid in marked(lambda value: value == mark):
        send(pid, signal.SIGKILL, group=False)


def marked(wanted: Callable[[str], bool]) -> Iterator[int]:
    """Yield the pids of processes that carry a mark that is wanted (Linux; elsewhere the process group must do)."""
    prefix = f"{MARK}=".encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as stream:
                content = stream.read()
        except OSError:
            continue
        if prefix not in content:
            continue
        for entry in content.split(b"\0"):
            if entry.startswith(prefix) and wanted(entry[len(prefix) :].decode(errors="replace")):
                yield int(name)


def signal_number(name: str) -> int:
    """Return the number of ``SIGTERM``, ``TERM`` or ``15``; raises ValueError for none."""
    if name.isdigit():
        return int(signal.Signals(int(name)))
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    try:
        return int(signal.Signals[full])
    except KeyError:
        raise ValueError(f"{name!r} is no signal") from None
