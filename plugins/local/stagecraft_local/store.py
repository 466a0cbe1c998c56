"""One release's store: its bundle and its journal, as the contract's ``Store``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import Refused, StateCorrupt

from stagecraft_local import bundle, files, journal
from stagecraft_local.envelope import Damaged, Newer
from stagecraft_local.folder import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stagecraft_local.places import Places

_OTHER = (
    "it was left as it is; `stagecraft releases list` shows other releases for `stagecraft rollback --to-release ID`"
)


class LocalStore:
    """Keep a release's bundle and journal in its folder, which is made by the first write."""

    def __init__(self, at: Places, release_id: str) -> None:
        self._at = at
        self._folder = at.release(release_id)
        self._known = (0, 0)  # the journal's length and records, as we last left it

    def put(self, name: str, data: bytes) -> None:
        """Write a file of the bundle in full or not at all; durable when it returns."""
        with self._writing(self._folder / "bundle.json"):
            bundle.put(self._folder, name, data)

    def get(self, name: str) -> bytes | None:
        """Return a file of the bundle, or None. Raises StateCorrupt for a damaged one."""
        with self._explained("read", self._folder / "bundle.json"):
            entry = bundle.manifest(self._folder).get(name)
        if entry is None:
            return None
        with self._explained("read", self._folder / "bundle" / entry["file"]):
            return bundle.get(self._folder, name)

    def names(self) -> tuple[str, ...]:
        """Return the names of the bundle's files, sorted."""
        with self._explained("read", self._folder / "bundle.json"):
            return tuple(sorted(bundle.manifest(self._folder)))

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to the journal; durable when it returns."""
        with self._writing(self._journal):
            self._known = journal.append(self._journal, entry, self._known)

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """Return the journal's whole entries. Raises StateCorrupt for damage that a crash cannot have left."""
        with self._explained("read", self._journal):
            data = files.read(self._journal)
            return tuple(journal.parse(data)[0]) if data else ()

    @property
    def _journal(self) -> Path:
        return self._folder / "journal.jsonl"

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        with self._explained("write", path):
            prepare(self._at)
            files.make_folder(self._folder)
            with files.exclusive(self._folder / ".lock"):
                yield

    @contextlib.contextmanager
    def _explained(self, doing: str, path: Path) -> Iterator[None]:
        with files.explained(self._at, doing, path):
            try:
                yield
            except Newer as e:
                raise Refused(
                    f"{self._at.show(path)} has schema {e.schema}, which this version cannot read",
                    hint="it was written by a newer Stagecraft: upgrade with `pip install --upgrade stagecraft-local`",
                ) from e
            except Damaged as e:
                raise self._corrupt(path, e) from e

    def _corrupt(self, path: Path, damage: Damaged) -> StateCorrupt:
        name = self._at.show(path)
        where = f" at byte {damage.offset}" if damage.offset >= 0 else ""
        hint = _OTHER
        if path == self._journal:
            hint = (
                f"it was left as it is; keep the whole records before the damage with "
                f"`cp {name} {name}.damaged && truncate -s {damage.offset} {name}`"
            )
        return StateCorrupt(f"{name} is damaged{where}: {damage.reason}", hint=hint)
