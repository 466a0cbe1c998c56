"""The journal of a release: one JSON record per line, appended, each with its number and a CRC-32.

``{"v":1,"n":3,"crc32":"89abcdef","entry":{…}}``: the CRC is over ``v:n:`` and the bytes of the entry. A reader renders
each line again and compares bytes, so any changed byte is seen. What a crash can leave at the end (a line without its
newline, or one that begins with the zeros of a block never written) is left out by readers and cut off by the next
append.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecraft_local import files
from stagecraft_local.envelope import Damaged, Newer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = 1
_BODY = b',"entry":'
_HOLE = b"\0\0\0\0"


def render(number: int, body: bytes, version: int = VERSION) -> bytes:
    """Return the line of record ``number``, whose entry is ``body`` in JSON."""
    import zlib

    crc = zlib.crc32(b"%d:%d:" % (version, number) + body)
    return b'{"v":%d,"n":%d,"crc32":"%08x"' % (version, number, crc) + _BODY + body + b"}\n"


def parse(data: bytes) -> tuple[list[Mapping[str, Any]], int]:
    """Return a journal's entries and the length of its whole records, leaving out a last one that a crash cut off.

    Raises Damaged or Newer.
    """
    entries: list[Mapping[str, Any]] = []
    start = 0
    while start < len(data):
        cut = data.find(b"\n", start)
        line = data[start:] if cut < 0 else data[start : cut + 1]
        last = start + len(line) == len(data)
        number = len(entries) + 1
        if cut < 0:
            # all of a record and one byte more: not a torn write but a damaged newline
            if _entry(line[:-1] + b"\n", number) is not None:
                raise Damaged(len(data) - 1, f"record {number} does not end where it should")
            break
        entry = _entry(line, number)
        if entry is None:
            if last and line.startswith(_HOLE):
                break
            raise Damaged(start, f"the checksum of record {number} does not match")
        entries.append(entry)
        start += len(line)
    return entries, start


def append(path: Path, entry: Mapping[str, Any], known: tuple[int, int]) -> tuple[int, int]:
    """Append an entry, durably, and return (end, count) of the journal, to be given as ``known`` the next time.

    ``known`` spares reading the journal again as long as its length is the one we left. A torn end is cut off first.
    A failed write is cut off too. The caller has the folder to itself. Raises OSError, Damaged, Newer.
    """
    import json

    body = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode("ascii")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(fd).st_size
        end, count = known
        if size != end:
            entries, end = parse(path.read_bytes())
            count = len(entries)
            if size != end:
                os.ftruncate(fd, end)
                files.sync(fd)
        line = render(count + 1, body)
        try:
            os.lseek(fd, end, os.SEEK_SET)
            files.write_all(fd, line)
            files.sync(fd)
            if not end:
                files.sync_folder(path.parent)
        except OSError:
            os.ftruncate(fd, end)
            raise
    finally:
        os.close(fd)
    return end + len(line), count + 1


def _entry(line: bytes, number: int) -> Mapping[str, Any] | None:
    """Return the entry of a whole line, or None where a byte of it is wrong. Raises Newer."""
    import json

    mark = line.find(_BODY, 0, 80)
    if mark < 0:
        return None
    body = line[mark + len(_BODY) : -2]
    if line == render(number, body):
        entry: Mapping[str, Any] = json.loads(body)
        return entry
    version = line[5 : line.find(b",", 5, 20)]
    if version.isdigit() and int(version) > VERSION and line == render(number, body, int(version)):
        raise Newer(int(version))
    return None
