"""Find and end the processes of a session, whatever became of it.

Every process of a session carries a mark in its environment, and so do its descendants, also those that left its process group;
the mark names the supervisor by pid and start time. This file is also a program, the session's guardian: it reads the supervisor's
pipe, and when that ends it ends what still carries the mark. A child that was forked and has not yet executed its command holds the
pipe's other end, so the guardian never looks too early. It imports the standard library only, so that it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable

#: The environment variable that holds the mark: ``PROJECT.PID.START/NAME``.
MARK = "STAGECRAFT_DEV"


def start_time(pid: int) -> str:
    """Return what tells a process from a later one with the same pid; empty if it has ended. Format: proc(5), ``stat``."""
    fields = _stat(pid)
    if fields:
        return "" if fields[0] in ("Z", "X") else fields[19]
    if _has_proc():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "?"


def marked(prefix: str) -> dict[int, str]:
    """Return the processes whose mark begins with ``prefix``, with their marks; this one left out. Needs ``/proc``."""
    wanted = f"{MARK}={prefix}".encode()
    found = {}
    for name in os.listdir("/proc") if _has_proc() else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as stream:
                content = stream.read()
        except OSError:
            continue
        if wanted not in content:
            continue
        for entry in content.split(b"\0"):
            if entry.startswith(wanted):
                found[int(name)] = entry.partition(b"=")[2].decode(errors="replace")
    return {pid: mark for pid, mark in found.items() if start_time(pid)}


def in_group(group: int) -> bool:
    """Tell whether a process group has a member that runs; one that only waits to be reaped does not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # where there is no /proc, this is said of a group of which nothing runs any more
        if not _has_proc():
            return False
    if not _has_proc():
        return True
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else []
        if fields and fields[2] == str(group) and fields[0] not in ("Z", "X"):
            return True
    return False


def send(number: int, groups: Collection[int], pids: Iterable[int] = ()) -> None:
    """Send a signal once to each member of the groups and to each other process; those that have ended are passed over.

    Many programs take a second SIGTERM as an order to leave their work undone.
    """
    others = [pid for pid in pids if _group(pid) not in groups]
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    for pid in others:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end(prefix: str, groups: Collection[int], grace: float) -> bool:
    """End everything that carries the mark or is in the groups: SIGTERM, the grace, SIGKILL. Return whether all have ended."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        send(number, groups, marked(prefix))
        while left(prefix, groups):
            if time.monotonic() > deadline:
                break
            if number == signal.SIGKILL:
                send(number, groups, marked(prefix))
            time.sleep(0.02)
        else:
            return True
    return False


def left(prefix: str, groups: Iterable[int]) -> bool:
    """Tell whether anything of it still runs."""
    return any(in_group(group) for group in groups) or bool(marked(prefix))


def guard(prefix: str, grace: float) -> None:
    """Read ``+GROUP`` and ``-GROUP`` from standard input until it ends, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    end(prefix, groups, grace)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _has_proc() -> bool:
    return os.access("/proc/self", os.F_OK)


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third (the state) on; none for a process that is not there."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


if __name__ == "__main__":
    guard(sys.argv[1], float(sys.argv[2]))
