"""Keep two compose processes off one project, even when the one that started the first was killed."""

from __future__ import annotations

import attrs
from stagecraft_hookspecs.values import Command

WAIT = 60


def exclusively(command: Command, lock: str) -> Command:
    """Return the command run under a lock of the operating system, where the host has ``flock``.

    Without the tool (macOS) the environment's own lock has to do.
    """
    import shutil

    tool = shutil.which("flock")
    if not tool:
        return command
    return attrs.evolve(command, argv=(tool, "-w", str(WAIT), lock, *command.argv))


def wait_for_others(lock: str) -> Command | None:
    """Return the command that waits until no compose process of an earlier run is at work; None where that cannot be
    told.
    """
    import shutil

    tool = shutil.which("flock")
    return Command((tool, "-w", str(WAIT), lock, "true"), cwd="/", timeout=WAIT + 10) if tool else None
