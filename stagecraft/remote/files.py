"""Read, write and remove files on a host; a crash leaves the old content or the new, never a mixture."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import NotFound, ProviderError, Refused
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from stagecraft.remote.machine import RemoteMachine

_TIMEOUT = 600.0
_READ = 'if [ -e "$1" ] || [ -h "$1" ]; then exec cat -- "$1"; fi; exit 44'
_WRITE = """set -e
if [ -d "$1" ]; then echo "$1: Is a directory" >&2; exit 1; fi
mkdir -p -- "$2"
trap 'rm -f -- "$3"' EXIT
trap 'exit 143' TERM HUP
(umask 077; cat >"$3")
chmod "$4" -- "$3"
sync -- "$3" 2>/dev/null || sync
mv -f -- "$3" "$1"
trap - EXIT
sync -- "$2" 2>/dev/null || sync"""
_HINTS = {
    "No space left on device": "free some space or inodes there (`df -h`, `df -i`)",
    "Disk quota exceeded": "free some space of the deploy user's quota",
    "Read-only file system": "the file system is mounted read-only: check the disk (`dmesg`), then remount it",
    "Permission denied": "give the deploy user the right to write there",
    "Operation not permitted": "give the deploy user the right to write there",
    "Is a directory": "a folder stands where the file should; remove it",
    "Not a directory": "a file stands where a folder should; remove it",
    "File name too long": "shorten the name",
}


@attrs.frozen
class Output:
    """Hold what a command wrote, as bytes."""

    argv: tuple[str, ...]
    exit_code: int
    out: bytes
    err: bytes
    seconds: float


def script(text: str, *args: str, stdin: bytes | None = None) -> Command:
    """Return a command that runs a POSIX script; arguments stand in ``$1`` and on."""
    return Command(("sh", "-c", text, "sh", *args), env={"LC_ALL": "C"}, stdin=stdin, timeout=_TIMEOUT)


def read(machine: RemoteMachine, path: str) -> bytes:
    """Return a file's bytes; raises NotFound or ProviderError."""
    result = machine.run_bytes(script(_READ, absolute(machine, path)))
    if result.exit_code == 44:
        raise NotFound("file", f"{machine.host.name}:{path}", hint="it may have been removed by hand")
    if result.exit_code:
        raise failure(machine, "read", path, result.err)
    return result.out


def write(machine: RemoteMachine, path: str, data: bytes, mode: int) -> None:
    """Write a file in full or not at all: temporary file beside it, flush, rename, flush of the folder."""
    target = absolute(machine, path)
    folder, name = posixpath.split(target)
    temporary = posixpath.join(folder, f".{name[:200]}.stagecraft")
    result = machine.run_bytes(script(_WRITE, target, folder, temporary, f"{mode:04o}", stdin=data))
    if result.exit_code:
        raise failure(machine, "write", path, result.err)


def remove(machine: RemoteMachine, path: str) -> None:
    """Remove a file, a link or a folder with all below it; refuses the root and the login folder."""
    target = absolute(machine, path)
    refuse_precious(machine, target)
    result = machine.run_bytes(script('exec rm -rf -- "$1"', target))
    if result.exit_code:
        raise failure(machine, "remove", path, result.err)


def refuse_precious(machine: RemoteMachine, path: str) -> None:
    """Raise Refused for a folder whose loss would be the host's or the user's."""
    target, home = posixpath.normpath("/" + path.lstrip("/")), posixpath.normpath(machine.home)
    if target == "/" or home == target or home.startswith(f"{target}/"):
        raise Refused(
            f"{path!r} on {machine.host.name} is not removed: the login folder lies in it",
            hint="name a folder below it",
        )


def failure(machine: RemoteMachine, verb: str, path: str, said: bytes) -> ProviderError:
    """Return the error for a file that could not be handled."""
    text = said.decode(errors="replace").strip()
    reason = next((r for r in _HINTS if r in text), "")
    last = text.splitlines()[-1] if text else "no reason given"
    return ProviderError(
        f"cannot {verb} {path} on {machine.host.name}: {reason or last}",
        hint=_HINTS.get(reason, "check the path and the disk there"),
        detail="" if reason else text,
    )


def absolute(machine: RemoteMachine, path: str) -> str:
    """Return a path of the host; a relative one starts at the login folder."""
    if not path or "\0" in path:
        raise Refused(f"{path!r} is no path", hint="name a file")
    return path if path.startswith("/") else posixpath.join(machine.home, path)
