"""What the files of the state are called, below its folder on a host.

``releases/ID/release@N@HASH`` is the release's record, ``releases/ID/bundle/NAME@N@HASH`` a file of its bundle: N grows with every
version, HASH is the SHA-256 of the content, so that a copy says by itself how new it is and whether it is sound.
``releases/ID/journal`` is the journal.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote_to_bytes

import attrs
from stagecraft_hookspecs.errors import UserError

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_SAFE = _LETTERS | frozenset("._-")
_VERSION = re.compile(r"(?P<slot>.+)@(?P<number>[1-9][0-9]{0,15})@(?P<digest>[0-9a-f]{64})\Z")

#: Patterns of every file that is versioned, and of every journal.
RECORDS, BUNDLES, JOURNALS = "releases/*/release@*", "releases/*/bundle/*@*", "releases/*/journal"


@attrs.frozen(order=True)
class Version:
    """Name one version of a file: its slot (the path without version), number and hash."""

    number: int
    digest: str
    slot: str

    @property
    def path(self) -> str:
        """Return the path below the state's folder."""
        return f"{self.slot}@{self.number}@{self.digest}"

    @property
    def file(self) -> str:
        """Return the file's name without its folder."""
        return self.path.rpartition("/")[2]


def parse(path: str) -> Version | None:
    """Return the version that a path names, or None for one that names none."""
    found = _VERSION.match(path)
    return Version(int(found["number"]), found["digest"], found["slot"]) if found else None


def digest(data: bytes) -> str:
    """Return the SHA-256 of a content in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def release(release_id: str) -> str:
    """Return a release's folder. Raises UserError for an id that could be anything but one name."""
    if not release_id or len(release_id) > 128 or release_id[0] not in _LETTERS or not _SAFE.issuperset(release_id):
        raise UserError(
            f"release id {release_id[:140]!r} cannot name a file",
            hint="use letters, digits, '.', '_' and '-', starting with a letter or digit, at most 128 characters",
        )
    return f"releases/{release_id}"


def quoted(name: str) -> str:
    """Return a bundle file's name as one path segment: all but letters, digits, ``-``, ``_`` and inner dots as %XX."""
    raw = name.encode("utf-8", "surrogatepass")
    text = "".join(chr(b) if chr(b) in _SAFE and (i or b != 0x2E) else f"%{b:02X}" for i, b in enumerate(raw))
    if not text or len(text) > 160:
        raise UserError(f"{name[:140]!r} cannot name a file of a bundle", hint="use a shorter name, at most 160 bytes")
    return text


def unquoted(segment: str) -> str:
    """Return the name that ``quoted`` made a path segment of."""
    return unquote_to_bytes(segment).decode("utf-8", "surrogatepass")
