"""Bring hosts up to date that were away, are new, or have a damaged file: before the first write of a run, and when one is back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, StagecraftError, StateCorrupt

from stagecraft_hosts import journals, scripts
from stagecraft_hosts.copies import choose, place
from stagecraft_hosts.fleet import change, home, versions
from stagecraft_hosts.names import BUNDLES, JOURNALS, RECORDS, digest

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_hosts.copies import Choice
    from stagecraft_hosts.fleet import Fleet

#: Bytes that are sent in one piece.
PIECE = 4 << 20


def ready(fleet: Fleet, ctx: Context) -> tuple[Host, ...]:
    """Return the hosts that can be written to, each with everything that the others have. The caller holds ``guard``."""
    due = fleet.due(ctx)
    if any(host not in fleet.slots for host in due):
        _catch_up(fleet, ctx)
    return tuple(host for host in due if host in fleet.slots)


def send(ctx: Context, host: Host, files: Mapping[str, bytes], gone: tuple[str, ...] = ()) -> None:
    """Put files in place on a host, each in full or not at all, then remove others."""
    if not change(ctx, host, scripts.RECEIVE, *gone, stdin=_archive(files)):
        raise ProviderError(f"the state on {host.name} was not written", hint="see `stagecraft doctor`")


def _catch_up(fleet: Fleet, ctx: Context) -> None:
    seen = fleet.survey(ctx, (RECORDS, BUNDLES, JOURNALS))
    for host in fleet.hosts:
        if host not in seen:
            fleet.aside(ctx, host)
    held = {host: versions(files) for host, files in seen.items()}
    lacking: dict[Host, list[Choice]] = {host: [] for host in seen}
    gone: dict[Host, list[str]] = {host: [] for host in seen}
    for slot in sorted({slot for mine in held.values() for slot in mine}):
        try:
            choice = choose(ctx, {host: mine.get(slot, {}) for host, mine in held.items()})
        except StateCorrupt as error:
            # whoever reads it is refused; what is recorded now has nothing to do with it
            fleet.say(ctx, error.message)
            continue
        for host, version in choice.damaged:
            healer = choice.holders[0].name
            fleet.say(ctx, f"{place(ctx, host, version.path)} is damaged; it is replaced by the copy of {healer}", host)
        for host in seen:
            if host not in choice.holders:
                lacking[host].append(choice)
            gone[host] += [v.path for v in held[host].get(slot, ()) if v != choice.version]
    logs = journals.lacking(
        fleet, ctx, {h: {p: a for p, a in f.items() if p.endswith("/journal")} for h, f in seen.items()}
    )
    bodies = _Bodies(ctx)
    outcomes = fleet.each(seen, lambda host: _mend(ctx, host, lacking[host], logs.get(host, {}), gone[host], bodies))
    for host, outcome in outcomes.items():
        if isinstance(outcome, StagecraftError):
            fleet.lost(ctx, host, outcome)
            continue
        left = {slot: frozenset(v.file for v in mine if v.path not in gone[host]) for slot, mine in held[host].items()}
        fleet.slots[host] = left
        for choice in lacking[host]:
            fleet.slots[host][choice.version.slot] = frozenset({choice.version.file})
        if outcome:
            ctx.log(f"{host.name} was behind: {outcome} files of the history were brought up to date", host=host.name)


def _mend(
    ctx: Context, host: Host, choices: list[Choice], logs: Mapping[str, bytes], gone: list[str], bodies: _Bodies
) -> int:
    """Send a host what it lacks, in pieces, then remove what that replaces; return how many files were sent."""
    piece: dict[str, bytes] = {}
    for path, data in (*logs.items(), *((c.version.path, bodies.of(c)) for c in choices)):
        piece[path] = data
        if sum(map(len, piece.values())) > PIECE:
            send(ctx, host, piece)
            piece = {}
    if piece or gone:
        send(ctx, host, piece, tuple(gone))
    return len(logs) + len(choices)


class _Bodies:
    """Fetch each version once, whoever lacks it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kept: dict[str, bytes] = {}

    def of(self, choice: Choice) -> bytes:
        version = choice.version
        for host in choice.holders if version.path not in self._kept else ():
            data = self._ctx.machine(host).read(f"{home(self._ctx, host)}/{version.path}")
            if digest(data) == version.digest:
                self._kept[version.path] = data
                break
        if version.path not in self._kept:
            raise ProviderError(f"{version.path} changes while it is read", hint="run the command again")
        return self._kept[version.path]


def _archive(files: Mapping[str, bytes]) -> bytes:
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
