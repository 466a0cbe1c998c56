"""Where things lie: the state file, the bundles and journals beside it, the locks. Paths only; nothing is made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Refused, UserError

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

FOLDER = ".stagecraft"
FILE = "releases.json"
OVERRIDE = "STAGECRAFT_STATE_FILE"

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_SAFE = _LETTERS | frozenset("._-")


@attrs.frozen
class Places:
    """Name every path of one project's state.

    Attributes:
        root: The project's folder; messages show paths below it relative to it.
        file: ``releases.json`` or what ``STAGECRAFT_STATE_FILE`` names.
    """

    root: Path
    file: Path

    @property
    def folder(self) -> Path:
        """Return the folder of the state file; all else lies below it."""
        return self.file.parent

    @property
    def last_good(self) -> Path:
        """Return the copy that is written with every save and never read but to restore."""
        return self.file.with_name(f"{self.file.name}.last-good")

    @property
    def guard(self) -> Path:
        """Return the file whose flock guards one read-modify-write of the state file (milliseconds)."""
        return self.file.with_name(f".{self.file.name}.lock")

    @property
    def releases(self) -> Path:
        """Return the folder that has one folder per release."""
        return self.folder / "releases"

    def release(self, release_id: str) -> Path:
        """Return a release's folder. Raises UserError for an id that could be anything but one name."""
        return self.releases / plain("release id", release_id)

    def lock(self, environment: str) -> Path:
        """Return the file whose flock is the environment's lock (a whole deploy). Raises UserError like ``release``."""
        return self.folder / "locks" / f"{plain('environment', environment)}.lock"

    def show(self, path: Path) -> str:
        """Return a path as a user in the project's folder would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def places(ctx: Context) -> Places:
    """Find the state of ``ctx``'s project.

    ``STAGECRAFT_STATE_FILE`` wins; a relative one starts at the project's folder, wherever the command was started.
    Raises Refused where ``.stagecraft`` is a link that leaves the project: a clone must not choose where we write.
    """
    root = ctx.root.absolute()
    override = os.environ.get(OVERRIDE, "")
    if override:
        return Places(root, root / override)
    folder = root / FOLDER
    if folder.is_symlink() and not folder.resolve().is_relative_to(root.resolve()):
        raise Refused(
            f"{FOLDER} is a link to {folder.resolve()}, outside the project",
            hint=f"remove the link, or name the state's place with {OVERRIDE}={folder.resolve() / FILE}",
        )
    return Places(root, folder / FILE)


def plain(what: str, name: str) -> str:
    """Return ``name`` if it is ASCII letters, digits, dot, dash, underscore and begins with a letter or digit."""
    if not name or len(name) > 128 or name[0] not in _LETTERS or not _SAFE.issuperset(name):
        raise UserError(
            f"{what} {name[:140]!r} cannot name a file",
            hint="use letters, digits, '.', '_' and '-', starting with a letter or digit, at most 128 characters",
        )
    return name


def quoted(name: str) -> str:
    """Return a bundle file's name as one path segment: all but letters, digits, ``-``, ``_`` and inner dots as %XX."""
    raw = name.encode("utf-8", "surrogatepass")
    text = "".join(chr(b) if chr(b) in _SAFE and (i or b != 0x2E) else f"%{b:02X}" for i, b in enumerate(raw))
    if not text or len(text) > 200:
        raise UserError(f"{name[:140]!r} cannot name a file of a bundle", hint="use a shorter name, at most 200 bytes")
    return text
