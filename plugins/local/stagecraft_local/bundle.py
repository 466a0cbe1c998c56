"""A release's bundle: files under their own names in ``bundle/``, and ``bundle.json``, which says what each must hold.

A file counts once ``bundle.json`` names it. A name that is written again goes beside the old content (``NAME`` and
``NAME~`` take turns), then ``bundle.json`` is replaced, then the old content goes. So a crash leaves the old or the
new, never a mix.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_local import envelope, files
from stagecraft_local.envelope import Damaged
from stagecraft_local.places import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Manifest = dict[str, dict[str, Any]]


def manifest(folder: Path) -> Manifest:
    """Return name to ``{file, size, sha256}`` of the bundle in a release's folder. Raises OSError, Damaged, Newer."""
    data = files.read(folder / "bundle.json")
    if data is None:
        return {}
    listed = envelope.unseal(data).get("files")
    if not isinstance(listed, dict) or any("/" in str(entry["file"]) for entry in listed.values()):
        raise Damaged(0, "it lists no files of a bundle")
    return listed


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file of the bundle. The caller has the folder to itself. Raises OSError, Damaged, Newer, UserError."""
    import hashlib

    listed = manifest(folder)
    old = listed.get(name, {}).get("file")
    new = quoted(name) if old != quoted(name) else quoted(name) + "~"
    inside = folder / "bundle"
    files.make_folder(inside)
    try:
        files.create(inside / new, data)
        files.sync_folder(inside)
        entry = {"file": new, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        files.replace({folder / "bundle.json": render({**listed, name: entry})})
    except OSError:
        # after a failed sync the new list may stand, and then its file must too
        if not _names(folder, new):
            with contextlib.suppress(OSError):
                (inside / new).unlink()
        raise
    if old:
        (inside / old).unlink(missing_ok=True)


def get(folder: Path, name: str) -> bytes | None:
    """Return a file of the bundle, or None. Raises OSError, Newer, and Damaged with the reason."""
    import hashlib

    entry = manifest(folder).get(name)
    if entry is None:
        return None
    data = files.read(folder / "bundle" / entry["file"])
    if data is None:
        raise Damaged(0, "it is missing")
    if len(data) != entry["size"]:
        raise Damaged(min(len(data), entry["size"]), f"it has {len(data)} bytes instead of {entry['size']}")
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise Damaged(-1, "its checksum does not match")
    return data


def render(listed: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the bytes of ``bundle.json``: one file per line, sorted."""
    import json

    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(listed[name])}" for name in sorted(listed))
    return envelope.seal(b'"files": {\n' + lines.encode("ascii") + b"\n}}")


def _names(folder: Path, file: str) -> bool:
    """Tell whether ``bundle.json`` may name a file; in doubt it does."""
    try:
        return any(entry.get("file") == file for entry in manifest(folder).values())
    except (OSError, envelope.Damaged, envelope.Newer):
        return True
