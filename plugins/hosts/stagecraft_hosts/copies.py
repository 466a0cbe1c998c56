"""Which copy of a file is the one: the newest sound one, and never a choice between two that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import StateCorrupt

from stagecraft_hosts.fleet import home

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_hosts.names import Version

#: Host to version to the hash of what is there now, of one slot.
Held = Mapping["Host", Mapping["Version", str]]


@attrs.frozen
class Choice:
    """Say which version of a slot counts, who has it in full, and which files are damaged."""

    version: Version
    holders: tuple[Host, ...]
    damaged: tuple[tuple[Host, Version], ...] = ()


def choose(ctx: Context, held: Held) -> Choice:
    """Choose the newest version.

    Raises:
        StateCorrupt: Its every copy is damaged, or two hosts have different ones of the same number.
    """
    sound = sorted(((v, h) for h, vs in held.items() for v, actual in vs.items() if actual == v.digest), reverse=True)
    damaged = tuple((h, v) for h, vs in held.items() for v, actual in vs.items() if actual != v.digest)
    lost = max(damaged, key=lambda d: d[1].number, default=None)
    if lost and (not sound or sound[0][0].number < lost[1].number):
        raise _damaged(ctx, *lost, older=sound[0] if sound else None)
    newest = sound[0][0]
    rival = next(((v, h) for v, h in sound if v.number == newest.number and v != newest), None)
    if rival:
        raise _diverged(ctx, sound[0], rival)
    return Choice(newest, tuple(sorted(h for v, h in sound if v == newest)), damaged)


def place(ctx: Context, host: Host, path: str) -> str:
    """Return a path on a host as ``ssh`` would take it."""
    return f"{host.name}:{home(ctx, host)}/{path}"


def _damaged(ctx: Context, host: Host, version: Version, older: tuple[Version, Host] | None) -> StateCorrupt:
    hint = "it was left as it is, and no other host has a sound copy: restore it from a backup, or remove it"
    if older:
        hint = f"it was left as it is; {older[1].name} has an older copy, which counts once you remove the damaged one"
    return StateCorrupt(f"{place(ctx, host, version.path)} is damaged: its checksum does not match", hint=hint)


def _diverged(ctx: Context, one: tuple[Version, Host], other: tuple[Version, Host]) -> StateCorrupt:
    pair = sorted((one, other), key=lambda copy: copy[1])
    hosts = " and ".join(host.name for _, host in pair)
    return StateCorrupt(
        f"{hosts} hold different versions {one[0].number} of {one[0].slot}; neither is used",
        hint="compare the two files and remove the wrong one",
        detail="\n".join(place(ctx, host, version.path) for version, host in pair),
    )
