"""Run the supervisor of one environment: ``python -m stagecraft_process.supervisor HOME``.

Standard output and error are its log. SIGTERM and SIGINT end it with all instances; SIGHUP is ignored, as it outlives
terminals. The exit code is 0, or 2 when the state is damaged (it is left as it is).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys

from stagecraft_process import layout
from stagecraft_process.supervisor import store
from stagecraft_process.supervisor.core import Supervisor
from stagecraft_process.supervisor.server import Server, remove_socket


def main(home: str) -> int:
    """Take the lock and run; a second supervisor for the same folder ends at once, successfully."""
    home = os.path.realpath(home)  # the marks of instances must not depend on the way by which the folder was reached
    lock = os.open(layout.lock_file(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("another supervisor runs here already")
        return 0
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    try:
        state = store.load(home)
    except (ValueError, KeyError, TypeError) as error:
        print(f"{layout.state_file(home)} is damaged: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_run(Supervisor(home, state)))


async def _run(supervisor: Supervisor) -> int:
    server = Server(supervisor)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end, "stop")
    loop.add_signal_handler(
        signal.SIGHUP, lambda: None
    )  # a handler, unlike ignoring it, is not passed on to the instances
    await supervisor.resume()
    listening = await server.listen()
    supervisor.say(f"supervisor {os.getpid()} is ready")
    how = await server.stop
    supervisor.say(f"supervisor {os.getpid()} ends: {how}")
    listening.close()
    if how == "leave":
        await supervisor.leave()
    else:
        await supervisor.shutdown()
    remove_socket(supervisor.home)
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1]))
