"""Name the files in the folder that belongs to a project's environment. Imported by the supervisor: standard library
only.

::

    supervisor.lock       held while a supervisor runs
    supervisor.sock       where it listens
    supervisor.log        its own log
    state.json            what is to run and what runs; 0600, holds the filled environment
    releases/ID/SVC.json  a release's units, filled; 0600
    snapshots/sha256-…/   folders by content, and sha256-….json, what each holds
    volumes/NAME/         what the services keep
    logs/SVC.log          their output, with .1 and .2 before it
    fifo/                 the pipes by which it comes
"""

from __future__ import annotations

import os

#: Raised when a supervisor of another version could misunderstand a request.
PROTOCOL = 1

#: ``sun_path`` holds 108 bytes on Linux and 104 on BSD, one of them the closing zero.
SOCKET_LIMIT = 100


def lock_file(home: str) -> str:
    """Return the file whose lock a supervisor holds."""
    return os.path.join(home, "supervisor.lock")


def state_file(home: str) -> str:
    """Return the file with the supervisor's state."""
    return os.path.join(home, "state.json")


def log_file(home: str, service: str) -> str:
    """Return the log of a service."""
    return os.path.join(home, "logs", f"{service}.log")


def unit_file(home: str, release: str, service: str) -> str:
    """Return the file with a release's filled unit."""
    return os.path.join(home, "releases", release, f"{service}.json")


def snapshot_folder(home: str, digest: str) -> str:
    """Return the folder in which content with a digest (``sha256:…``) is kept."""
    return os.path.join(home, "snapshots", digest.replace(":", "-"))


def volume_folder(home: str, name: str) -> str:
    """Return the folder that keeps a volume."""
    return os.path.join(home, "volumes", name)


def socket_address(home: str) -> tuple[str, int]:
    """Return the address of the supervisor's socket, and a descriptor to close after use or -1.

    Where the path is too long for a socket's address, the folder is opened and reached through ``/proc/self/fd``, which
    is short, belongs to this process alone, and needs no shared folder.
    """
    path = os.path.join(home, "supervisor.sock")
    if len(os.fsencode(path)) <= SOCKET_LIMIT:
        return path, -1
    if not os.path.isdir("/proc/self/fd"):
        raise OSError(f"the path {path} is too long for a socket ({SOCKET_LIMIT} bytes)")
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}/supervisor.sock", descriptor
