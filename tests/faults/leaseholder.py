"""One deployer with a lease on hosts, told what to do by lines: `race MOMENT`, `hold`, `mutate`. Answers each with a line.

Arguments: a folder, the client configuration, the environment's folder on the hosts, the name of this one, then NAME=ADDRESS of
each host.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from stagecraft_hookspecs.errors import LockHeld, StagecraftError
from stagecraft_hookspecs.state import Holder, Lease
from stagecraft_hookspecs.values import Command, File, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet

# The trace is written on the host: whoever is there first says so, works, and says that it goes.
_WORK = 'echo "in $1" >>trace; sleep 0.01; echo "out $1" >>trace'


def main(root: str, config: str, home: str, name: str, *where: str) -> None:
    """Obey until standard input ends."""
    hosts = [Host(host, address, "deploy") for host, _, address in (each.partition("=") for each in where)]
    homes, holder = dict.fromkeys(hosts, home), Lease(Holder(name, "deploy"))
    with closing(Fleet(Path(root), lambda _: None, {"STAGECRAFT_SSH_CONFIG": config})) as fleet, ExitStack() as held:
        fleet.connect_all(hosts)
        print("ready", flush=True)
        for line in sys.stdin:
            order, _, argument = line.strip().partition(" ")
            if order == "hold":
                held.enter_context(fleet.lease(homes, holder, 0.0, Scope()))
                answer = "held"
            elif order == "race":
                time.sleep(max(0.0, float(argument) - time.time()))
                answer = race(fleet, homes, holder, name)
            else:
                answer = str(sum(attempt(fleet, host, home) for host in hosts))
            print(answer, flush=True)


def race(fleet: Fleet, homes: dict[Host, str], holder: Lease, name: str) -> str:
    """Go for the lease once, and work where it is got."""
    try:
        with fleet.lease(homes, holder, 0.0, Scope()):
            fleet.on_each(
                homes,
                lambda host: fleet.machine(host, Scope()).run(
                    Command(("sh", "-c", _WORK, "sh", name), cwd=homes[host])
                ),
            )
    except LockHeld:
        return "refused"
    return "in"


def attempt(fleet: Fleet, host: Host, home: str) -> int:
    """Try to change a host in every way; return how many were not refused."""
    machine, done = fleet.machine(host, Scope()), 0
    for change in (
        lambda: machine.run(Command(("touch", f"{home}/zombie-run"))),
        lambda: machine.run(Command(("touch", f"{home}/zombie-lines")), on_line=print),
        lambda: machine.write(f"{home}/zombie-write", b""),
        lambda: machine.upload({"zombie-upload": File(b"x")}, home),
        lambda: machine.remove(f"{home}/keep"),
        lambda: machine.docker().volumes.create("zombie"),
    ):
        try:
            change()
            done += 1
        except StagecraftError:
            pass
    return done


if __name__ == "__main__":
    main(*sys.argv[1:])
