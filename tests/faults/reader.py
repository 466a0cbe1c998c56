"""Read a state folder without Stagecraft: the format as the spec page states it, read with json, hashlib and zlib alone."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import attrs

_SEAL = re.compile(rb'\A\{"schema": (\d+), "checksum": "sha256:([0-9a-f]{64})", ')
_RECORD = re.compile(rb'\A\{"v":(\d+),"n":(\d+),"crc32":"([0-9a-f]{8})","entry":(.*)\}\Z')


class Unreadable(Exception):
    """Say which file cannot be read as what it should be, and why."""


@attrs.frozen
class Kept:
    """Hold what a state folder says.

    Attributes:
        releases: Release id to its JSON object.
        copy: The same of the last good copy, or None without one.
        bundles: Release id to name to content.
        journals: Release id to entries.
        strays: Temporary files, relative to the folder.
    """

    releases: dict[str, dict[str, Any]]
    copy: dict[str, dict[str, Any]] | None
    bundles: dict[str, dict[str, bytes]]
    journals: dict[str, list[Any]]
    strays: tuple[str, ...]


def read(folder: Path, file: str = "releases.json") -> Kept:
    """Read a state folder, which need not exist. Raises Unreadable."""
    state, copy = folder / file, folder / f"{file}.last-good"
    if copy.exists() and not state.exists():
        raise Unreadable(f"{state.name} is missing though {copy.name} is there")
    kept = sorted((folder / "releases").glob("*")) if (folder / "releases").is_dir() else []
    return Kept(
        releases(state) if state.exists() else {},
        releases(copy) if copy.exists() else None,
        {place.name: bundle(place) for place in kept},
        {place.name: journal(place / "journal.jsonl") for place in kept},
        tuple(sorted(str(p.relative_to(folder)) for p in folder.rglob("*.tmp"))),
    )


def sealed(path: Path) -> Any:
    """Return the JSON object of a file with a checksum."""
    data = path.read_bytes()
    match = _SEAL.match(data)
    if not match:
        raise Unreadable(f"{path}: no schema and checksum at its beginning ({len(data)} bytes)")
    digits = match.span(2)
    if hashlib.sha256(data[: digits[0]] + data[digits[1] :]).hexdigest().encode() != match[2]:
        raise Unreadable(f"{path}: wrong checksum")
    if match[1] != b"1":
        raise Unreadable(f"{path}: schema {match[1]!r}")
    return json.loads(data)


def releases(path: Path) -> dict[str, dict[str, Any]]:
    """Return the releases of a state file by id."""
    rows = sealed(path)["releases"]
    found = {row["id"]: row for row in rows}
    if len(found) != len(rows):
        raise Unreadable(f"{path}: a release twice")
    return found


def bundle(place: Path) -> dict[str, bytes]:
    """Return the files of a bundle by name."""
    if not (place / "bundle.json").exists():
        return {}
    files = {}
    for name, entry in sealed(place / "bundle.json")["files"].items():
        path = place / "bundle" / entry["file"]
        if not path.exists():
            raise Unreadable(f"{path}: listed and not there")
        files[name] = path.read_bytes()
        if len(files[name]) != entry["size"] or hashlib.sha256(files[name]).hexdigest() != entry["sha256"]:
            raise Unreadable(f"{path}: not what is listed")
    return files


def journal(path: Path) -> list[Any]:
    """Return the entries of a journal; only its last line may be cut off."""
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, 1):
        match = _RECORD.match(line)
        if not match or match[1] != b"1" or int(match[2]) != number:
            raise Unreadable(f"{path}: line {number} is no record {number}")
        if int(match[3], 16) != zlib.crc32(b"1:%d:" % number + match[4]):
            raise Unreadable(f"{path}: line {number}: wrong checksum")
        entries.append(json.loads(match[4]))
    return entries
