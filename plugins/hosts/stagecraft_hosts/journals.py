"""Journals: one JSON record per line, each with its number and a hash chained over all before it.

``{"v":1,"n":3,"chain":"0123456789abcdef","entry":{…}}``. So a copy that is behind is the beginning of the one that is ahead, byte
for byte; any other pair of copies has diverged. A last line that a crash cut off is no part of a journal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import NotFound, Refused, StateCorrupt

from stagecraft_hosts.copies import place
from stagecraft_hosts.fleet import home

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_hosts.fleet import Fleet

VERSION = 1
_BODY = b',"entry":'
_HOLE = b"\0\0\0\0"


@attrs.frozen
class Log:
    """Hold the sound beginning of a journal.

    Attributes:
        data: Its bytes. entries: What they say. chain: Hash up to here.
        size: Bytes of the whole file. damaged: Whether what follows ``data`` is something else than a record cut off.
    """

    data: bytes = b""
    entries: tuple[Mapping[str, Any], ...] = ()
    chain: str = ""
    size: int = 0
    damaged: bool = False

    def extended(self, bodies: Iterable[bytes]) -> Log:
        """Return the journal with entries, given as JSON, appended."""
        data, entries, chain = [self.data], list(self.entries), self.chain
        for body in bodies:
            line, chain = _render(len(entries) + 1, chain, body)
            data.append(line)
            entries.append(json.loads(body))
        whole = b"".join(data)
        return Log(whole, tuple(entries), chain, len(whole))


def read(data: bytes) -> Log:
    """Return the sound beginning of a journal's bytes. Raises Refused for a newer format."""
    entries: list[Mapping[str, Any]] = []
    chain, start, damaged = "", 0, False
    while start < len(data):
        cut = data.find(b"\n", start)
        line = data[start:] if cut < 0 else data[start : cut + 1]
        found = _entry(line, len(entries) + 1, chain)
        if found is None:
            last = start + len(line) == len(data)
            # a record with another last byte is no record cut off
            whole = cut < 0 and _entry(line[:-1] + b"\n", len(entries) + 1, chain) is not None
            damaged = whole or not (last and (cut < 0 or line.startswith(_HOLE)))
            break
        entry, chain = found
        entries.append(entry)
        start += len(line)
    return Log(data[:start], tuple(entries), chain, len(data), damaged)


def fetch(ctx: Context, host: Host, folder: str) -> Log:
    """Return a release's journal as a host has it."""
    try:
        return read(ctx.machine(host).read(f"{home(ctx, host)}/{folder}/journal"))
    except NotFound:
        return Log()


def newest(ctx: Context, folder: str, logs: Mapping[Host, Log]) -> Log:
    """Return the longest of a journal's copies.

    Raises:
        StateCorrupt: One is not the beginning of it, or a damaged one may have held more.
    """
    host = max(sorted(logs), key=lambda h: len(logs[h].data))
    best = logs[host]
    for other, log in sorted(logs.items()):
        where = place(ctx, other, f"{folder}/journal")
        if not best.data.startswith(log.data):
            first, second = sorted((host, other))
            raise StateCorrupt(
                f"{first.name} and {second.name} hold different journals of {folder.rpartition('/')[2]}; neither is used",
                hint="compare the two files and remove the wrong one",
                detail="\n".join(place(ctx, h, f"{folder}/journal") for h in (first, second)),
            )
        if log.damaged and log.size > len(best.data):
            raise StateCorrupt(
                f"{where} is damaged at byte {len(log.data)}: the checksum of record {len(log.entries) + 1} does not match",
                hint=f"it was left as it is; keep the records before it: on {other.name}, run "
                f"`truncate -s {len(log.data)} {where.partition(':')[2]}`",
            )
    return attrs.evolve(best, size=len(best.data), damaged=False)


def lacking(fleet: Fleet, ctx: Context, seen: Mapping[Host, Mapping[str, str]]) -> dict[Host, dict[str, bytes]]:
    """Return host to path to content of the journals that it lacks or has only the beginning of; ``seen`` has their hashes."""
    found: dict[Host, dict[str, bytes]] = {}
    for path in sorted({path for files in seen.values() for path in files}):
        if len({files.get(path) for files in seen.values()}) == 1:
            continue
        folder = path.rpartition("/")[0]
        logs = fleet.gather(ctx, "its journals", lambda host, at=folder: fetch(ctx, host, at))  # type: ignore[misc]
        try:
            best = newest(ctx, folder, logs)
        except StateCorrupt as error:
            fleet.say(ctx, error.message)
            continue
        for host in seen:
            if host in logs and (logs[host].data != best.data or logs[host].size != len(best.data)):
                if logs[host].damaged:
                    fleet.say(ctx, f"{place(ctx, host, path)} is damaged; it is replaced by a sound copy", host)
                found.setdefault(host, {})[path] = best.data
    return found


def body(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as JSON. Raises TypeError or ValueError for what JSON has not, a secret among it."""
    return json.dumps(entry, allow_nan=False, separators=(",", ":")).encode("ascii")


def _render(number: int, chain: str, body: bytes, version: int = VERSION) -> tuple[bytes, str]:
    chained = hashlib.sha256(b"%s:%d:%d:%s" % (chain.encode(), version, number, body)).hexdigest()[:16]
    return b'{"v":%d,"n":%d,"chain":"%s"%s%s}\n' % (version, number, chained.encode(), _BODY, body), chained


def _entry(line: bytes, number: int, chain: str) -> tuple[Mapping[str, Any], str] | None:
    """Return the entry of a whole line and its hash, or None where a byte of it is wrong. Raises Refused for a newer one."""
    mark = line.find(_BODY, 0, 80)
    if mark < 0:
        return None
    body = line[mark + len(_BODY) : -2]
    rendered, chained = _render(number, chain, body)
    if line == rendered:
        entry: Mapping[str, Any] = json.loads(body)
        return entry, chained
    version = line[5 : line.find(b",", 5, 20)]
    if version.isdigit() and int(version) > VERSION and line == _render(number, chain, body, int(version))[0]:
        raise Refused(
            f"a journal on the hosts has version {int(version)}, which this one cannot read",
            hint="it was written by a newer Stagecraft: upgrade with `pip install --upgrade stagecraft-hosts`",
        )
    return None
