"""Know servers by their keys: the user's known_hosts files and the project's own, which learns on first contact."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import fnmatch
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ProviderError, Refused

from stagecraft.machine import files

if TYPE_CHECKING:
    from paramiko import PKey

    from stagecraft.remote.route import Route


@attrs.frozen
class Entry:
    """Hold one line of a known_hosts file."""

    file: Path
    line: int
    marker: str
    names: str
    kind: str
    key: bytes

    def names_server(self, name: str) -> bool:
        """Tell whether the line speaks of a server."""
        if self.names.startswith("|1|"):
            return _hashed(self.names, name)
        patterns = self.names.lower().split(",")
        if any(p.startswith("!") and fnmatch.fnmatchcase(name, _literal(p[1:])) for p in patterns):
            return False
        return any(fnmatch.fnmatchcase(name, _literal(p)) for p in patterns)


def fingerprint(key: bytes) -> str:
    """Return a key's fingerprint as ``ssh`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


class HostKeys:
    """Verify the keys of servers.

    Args:
        own: The project's file; keys of servers that no file knows are recorded there.
        log: Told of every key that is recorded.
    """

    def __init__(self, own: Path, log: Callable[[str], None]) -> None:
        self._own, self._log = own, log
        self._lock = threading.Lock()

    def kinds(self, route: Route) -> list[str]:
        """Return the types of the keys that the server is known by, so that one of them is asked for."""
        return [e.kind for e in self._known(route) if not e.marker]

    def verify(self, route: Route, key: PKey) -> None:
        """Accept a known key, record an unknown server's, and raise Refused for any other."""
        if self._accepts(route, key):
            return
        with self._lock, self._alone():
            # another process may have met the server meanwhile
            if not self._accepts(route, key):
                self._record(route, key)

    def _accepts(self, route: Route, key: PKey) -> bool:
        known = self._known(route)
        given = key.asbytes()
        for entry in known:
            if entry.marker == "@revoked" and entry.key == given:
                raise Refused(
                    f"the key {fingerprint(given)} of {route.name} ({route.server}) is revoked at {entry.file}:{entry.line}",
                    hint="do not connect before the server's owner has given it a new key",
                )
        trusted = [e for e in known if not e.marker]
        if any(e.key == given for e in trusted):
            return True
        if not trusted:
            return False
        was = next((e for e in trusted if e.kind == key.get_name()), trusted[0])
        raise Refused(
            f"the SSH key of {route.name} ({route.server}) has changed: known is {was.kind} {fingerprint(was.key)} at "
            f"{was.file}:{was.line}, but the server showed {key.get_name()} {fingerprint(given)}",
            hint=f"ask its owner whether the server was reinstalled; if so, remove that line and repeat. If not, somebody "
            f"may be in between: do not go on (`ssh-keygen -R {route.server!r} -f {was.file}` removes it)",
        )

    def _known(self, route: Route) -> list[Entry]:
        server = route.server.lower()
        return [e for file in (*route.known_hosts, self._own) for e in _entries(file) if e.names_server(server)]

    def _record(self, route: Route, key: PKey) -> None:
        line = f"{route.server} {key.get_name()} {key.get_base64()}\n"
        former = self._own.read_bytes() if self._own.exists() else b""
        if former and not former.endswith(b"\n"):
            former += b"\n"
        files.write(self._own, former + line.encode(), 0o644)
        self._log(
            f"first contact with {route.name} ({route.server}): its key {key.get_name()} {fingerprint(key.asbytes())} "
            f"is now in {self._own}"
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._own.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._own.with_name(self._own.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ProviderError(
                f"cannot write {self._own}: {error.strerror}", hint="check the folder's permissions"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _entries(file: Path) -> Iterator[Entry]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        with contextlib.suppress(binascii.Error, ValueError):
            yield Entry(file, number, marker, words[0], words[1], base64.b64decode(words[2], validate=True))


def _hashed(pattern: str, name: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        wanted = base64.b64decode(digest)
        return hmac.compare_digest(hmac.digest(base64.b64decode(salt), name.encode(), "sha1"), wanted)
    except (ValueError, binascii.Error):
        return False


def _literal(pattern: str) -> str:
    """Return a known_hosts pattern for fnmatch, in which brackets would be a class."""
    return pattern.replace("[", "[[]")
