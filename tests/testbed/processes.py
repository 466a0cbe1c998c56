"""Start servers that outlive this process, and stop exactly those.

A server is remembered by its process id together with the boot it was started in and its start time, so a
number that the kernel has given to another process since is never mistaken for it.

A server runs in a process namespace of its own: when its first process ends, the kernel ends all that it
started, however it ended. It also has its own mount namespace, so its mounts vanish with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .layout import TestbedError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
JAIL = ("unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child", "--mount-proc")
# detached by sh, so that init and not this process is the parent: nothing is left to wait for
DETACH = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True, slots=True)
class Process:
    """A server's outermost process: `pid` in this namespace, `born` telling it from later users of the number."""

    pid: int
    born: str


def start(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], namespaces: Sequence[str] = ()
) -> Process:
    """Start `command` in namespaces of its own, detached, its output appended to `log`.

    `namespaces` are options of unshare(1) for more of them than mounts and processes, such as `--net`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = ["sh", "-c", DETACH, "sh", str(log), *JAIL, *namespaces, *command]
    done = subprocess.run(argv, env=dict(environment), stdout=subprocess.PIPE, text=True, check=True)
    pid = int(done.stdout)
    return Process(pid, born(pid) or "gone")


def born(pid: int) -> str | None:
    """Return boot id and start time (clock ticks) of the live process `pid`; None if there is none."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return f"{BOOT_ID.read_text().strip()}:{fields[19]}"


def alive(process: Process) -> bool:
    """Say whether this very process, not merely its number, is still running."""
    return born(process.pid) == process.born


def record(process: Process, file: Path) -> None:
    """Write down which process serves, in one step."""
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(asdict(process)) + "\n")
    draft.replace(file)


def recorded(file: Path) -> Process | None:
    """Return the process that `record` wrote down, if it still runs."""
    try:
        process = Process(**json.loads(file.read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return process if alive(process) else None


def stop(process: Process, grace: float = 20.0) -> None:
    """Ask the server to end, wait up to `grace` seconds, then end it and all it started."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if not alive(process):
            return
        # unshare itself ignores SIGTERM; its child is the server, and the first process of its namespace: once
        # that is gone, the kernel has ended the rest, and only then does unshare end
        for child in children(process.pid):
            _signal(child, number)
        wait_until(lambda: not alive(process), seconds)


def started_with(*arguments: str) -> list[Process]:
    """Return the servers started with one of these; each must hold a path of the testbed's, so only its own match.

    This also finds a server whose starter was killed before it could record it.
    """
    found, wanted = [], set(arguments)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (since := born(int(entry.name))):
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except (OSError, UnicodeDecodeError):  # ended meanwhile, or not one of ours
                continue
            if tuple(words[: len(JAIL)]) == JAIL and not wanted.isdisjoint(words):
                found.append(Process(int(entry.name), since))
    return found


def children(pid: int) -> list[int]:
    """Return the ids of the direct children of `pid`."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(number for number in numbers if (fields := _stat(number)) and fields[1] == str(pid))


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Poll `condition` for up to `seconds`; return whether it came true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def wait_ready(name: str, process: Process, ready: Callable[[], bool], log: Path, seconds: float = 60.0) -> None:
    """Wait until `ready()`; raise with the log's last line if the server ends or `seconds` pass first."""
    wait_until(lambda: ready() or not alive(process), seconds)
    if alive(process) and ready():
        return
    stop(process, grace=1.0)
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    raise TestbedError(f"{name} did not start: {lines[-1] if lines else 'it wrote no log'}", f"read {log}")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from `state` on (see proc_pid_stat(5)); None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
