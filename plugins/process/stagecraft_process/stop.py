"""End an environment's supervisor with all instances: ``python -m stagecraft_process.stop [--leave] HOME``.

With ``--leave`` the instances keep running for the next supervisor. The exit code is 0, also when nothing ran.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from stagecraft_process import layout


def main(argv: list[str]) -> int:
    """End what runs for the folder in the last argument."""
    from stagecraft_process.client import Client

    home = os.path.realpath(argv[-1])
    how = "leave" if "--leave" in argv else "stop"
    try:
        with Client(home) as client:
            pid = client.call("hello")["pid"]
            client.call("end", how=how)
    except OSError:
        pid = _holder(home)
        if pid and how == "stop":
            os.kill(pid, signal.SIGTERM)
    while _holder(home):
        time.sleep(0.02)
    if how == "stop":
        _orphans(home)
    return 0


def _holder(home: str) -> int:
    """Return the pid of the supervisor that holds the lock, or 0."""
    import fcntl

    try:
        descriptor = os.open(layout.lock_file(home), os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return 0
    except OSError:
        return int(os.read(descriptor, 20).strip() or 0)
    finally:
        os.close(descriptor)


def _orphans(home: str) -> None:
    """End the instances that a killed supervisor left behind."""
    from stagecraft_process.supervisor import processes

    for pid in processes.marked(lambda value: value.startswith(f"{home}:")):
        processes.send(pid, signal.SIGKILL, group=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
