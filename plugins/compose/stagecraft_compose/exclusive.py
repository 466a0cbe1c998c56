"""Keep two compose processes off one project, even when the one that started the first was killed.

A lock of the operating system does it, where the host has ``flock``; without the tool (macOS) the environment's own
lock has to do.
"""

from __future__ import annotations

import attrs
from stagecraft_hookspecs.values import Command

WAIT = 60
#: Run a command under a lock. Arguments: seconds to wait, the lock, the command.
RUN_SCRIPT = """\
wait=$1 lock=$2; shift 2
if command -v flock >/dev/null; then exec flock -w "$wait" "$lock" "$@"; fi
exec "$@"
"""
#: Wait until a lock that somebody may hold is free. Arguments: seconds, the lock.
WAIT_SCRIPT = """\
[ -e "$2" ] && command -v flock >/dev/null || exit 0
exec flock -w "$1" "$2" true
"""


def exclusively(command: Command, lock: str) -> Command:
    """Return the command run under the lock."""
    return attrs.evolve(command, argv=("sh", "-c", RUN_SCRIPT, "exclusively", str(WAIT), lock, *command.argv))


def wait_for_others(lock: str) -> Command:
    """Return the command that waits until no compose process of an earlier run is at work."""
    return Command(("sh", "-c", WAIT_SCRIPT, "wait", str(WAIT), lock), cwd="/", timeout=WAIT + 10)
