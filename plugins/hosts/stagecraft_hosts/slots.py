"""Write and read one versioned file on all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError

from stagecraft_hosts import catchup, scripts
from stagecraft_hosts.copies import choose
from stagecraft_hosts.fleet import change, home, versions
from stagecraft_hosts.names import Version, digest, parse

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_hosts.fleet import Fleet

#: Tries against writers that hold no lock; who holds it succeeds at once.
TRIES = 8


def write(fleet: Fleet, ctx: Context, slot: str, data: bytes) -> None:
    """Give a slot a new version on every host that answers. Raises ProviderError where too few have it."""
    with fleet.guard:
        for _ in range(TRIES):
            hosts = catchup.ready(fleet, ctx)
            new = Version(_next(fleet, slot), digest(data), slot)
            fleet.numbers[slot] = new.number
            outcomes = fleet.each(hosts, lambda host, new=new: _put(ctx, host, new, fleet, data))  # type: ignore[misc]
            stale = [host for host, outcome in outcomes.items() if outcome is False]
            for host in stale:
                del fleet.slots[host]
            if not stale:
                fleet.accept(ctx, slot.rpartition("/")[2], outcomes)
                return
        raise ProviderError(
            f"{slot} on the hosts changes while it is written",
            hint="another run writes without the lock: see `stagecraft lock status`",
        )


def read(fleet: Fleet, ctx: Context, slot: str) -> bytes | None:
    """Return the newest version of a slot, or None. Raises StateCorrupt, and ProviderError where no host answers."""
    error: StagecraftError = ProviderError(f"{slot} changes while it is read", hint="run the command again")
    for _ in range(TRIES):
        held = {host: versions(seen).get(slot, {}) for host, seen in fleet.survey(ctx, (f"{slot}@*",)).items()}
        if not any(held.values()):
            return None
        choice = choose(ctx, held)
        for host in choice.holders:
            try:
                data = ctx.machine(host).read(f"{home(ctx, host)}/{choice.version.path}")
            except Interrupted:
                raise
            except StagecraftError as failure:
                error = failure
                continue
            if digest(data) == choice.version.digest:
                return data
    raise error


def _put(ctx: Context, host: Host, new: Version, fleet: Fleet, data: bytes) -> bool:
    there = fleet.slots[host].get(new.slot, frozenset())
    folder, _, name = new.slot.rpartition("/")
    done = change(ctx, host, scripts.PUT, folder, name, new.digest, new.file, *sorted(there), stdin=data)
    if done:
        fleet.slots[host][new.slot] = frozenset({new.file})
    return done


def _next(fleet: Fleet, slot: str) -> int:
    folder = slot.rpartition("/")[0]
    names = [name for mine in fleet.slots.values() for name in mine.get(slot, ())]
    known = [version.number for name in names if (version := parse(f"{folder}/{name}"))]
    return 1 + max([fleet.numbers.get(slot, 0), *known])
