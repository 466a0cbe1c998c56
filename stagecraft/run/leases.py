"""Who holds an environment's lock: the state provider's, and the lease on each of its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Refused
from stagecraft_hookspecs.state import Holder

from stagecraft.run.fleet import Failure, Gathered, each
from stagecraft.run.history import History

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host, Release

    from stagecraft.context import RunContext
    from stagecraft.project import Project
    from stagecraft.run.selection import Selection


@attrs.frozen
class Locks:
    """Hold who has an environment's lock.

    Attributes:
        holder: Of the lock of the state provider.
        hosts: Host to the holder of its lease, of those that are held.
        failures: Hosts that could not be asked.
    """

    environment: str
    holder: Holder | None
    hosts: Mapping[str, Holder] = attrs.field(factory=dict)
    failures: tuple[Failure, ...] = ()

    @property
    def free(self) -> bool:
        """Tell whether nobody holds anything, as far as is known."""
        return self.holder is None and not self.hosts

    @property
    def first(self) -> Holder | None:
        """Return a holder, if there is one."""
        return self.holder or next(iter(self.hosts.values()), None)


@attrs.frozen
class Released:
    """Hold what was taken from whom, and the run that may be left half done, with the command that ends it."""

    locks: Locks
    unfinished: Release | None = None
    next_step: str = ""


def look(project: Project, ctx: RunContext, chosen: Selection) -> Locks:
    """Return who holds the lock; a host that cannot be asked is among the failures."""
    with project.blamed():
        holder = project.state.holder(ctx)
    gathered = each(ctx, chosen.hosts, lambda host: held_on(ctx, host))
    return Locks(ctx.environment, holder, _held(gathered), gathered.failures)


def release(project: Project, ctx: RunContext, chosen: Selection, *, force: bool) -> Released:
    """Take the lock from its holder; what it runs on hosts is ended there first.

    Raises:
        Refused: The holder lives, and ``force`` is not set.
    """
    locks = look(project, ctx, chosen)
    if not locks.free and not force:
        holder = locks.first
        assert holder is not None
        raise Refused(
            f"{ctx.environment} is held by {describe(holder)}, which lives",
            hint="wait for it, or end that process: the lock frees itself. `--force` takes it away, and ends what it runs on hosts",
        )
    if not locks.free:
        gathered = each(ctx, [h for h in chosen.hosts if h.name in locks.hosts], lambda host: break_on(ctx, host))
        if locks.holder is not None:
            with project.blamed():
                project.state.release(ctx)
        locks = attrs.evolve(locks, failures=(*locks.failures, *gathered.failures))
    with project.blamed():
        unfinished = History(project.state.releases(ctx)).unfinished
    step = f"`stagecraft deploy -e {ctx.environment} --abort` undoes it, `--resume` finishes it" if unfinished else ""
    return Released(locks, unfinished, step)


def held_on(ctx: RunContext, host: Host) -> Holder | None:
    """Return who holds the lease on a host; this machine has none beside the state provider's lock."""
    from stagecraft.context import is_remote

    if not is_remote(host):
        return None
    from stagecraft.remote.holders import holders

    found = holders(ctx.fleet, {host: ctx.home(host)}, ctx.scope)
    return (found[host.name] or Holder("somebody", "")) if host.name in found else None


def break_on(ctx: RunContext, host: Host) -> None:
    """End what the holder of a host's lease runs there, and its lease."""
    from stagecraft.remote.holders import release as break_lock

    break_lock(ctx.fleet, {host: ctx.home(host)}, ctx.scope)


def describe(holder: Holder) -> str:
    """Return a holder in words."""
    command = f" ({holder.command})" if holder.command else ""
    since = f" since {holder.since}" if holder.since else ""
    pid = f", process {holder.pid}" if holder.pid else ""
    return f"{holder.who}{command}{since}{pid}"


def _held(gathered: Gathered[Holder | None]) -> dict[str, Holder]:
    return {name: holder for name, holder in gathered.found.items() if holder is not None}
