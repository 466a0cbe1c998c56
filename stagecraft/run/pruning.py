"""Remove from hosts what no release needs any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Refused

from stagecraft.run.assemble import bundle_runtime
from stagecraft.run.fleet import Failure, each
from stagecraft.run.serving import Serving

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Leftover
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext
    from stagecraft.project import Project
    from stagecraft.run.selection import Selection


@attrs.frozen
class Pruned:
    """Hold what was, or would be, removed.

    Attributes:
        kept: Ids of the releases whose parts stay, newest first.
        leftovers: By host, sorted.
    """

    environment: str
    kept: tuple[str, ...]
    leftovers: Mapping[str, tuple[Leftover, ...]]
    failures: tuple[Failure, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes that it frees, as far as the hosts tell."""
        return sum(one.size for found in self.leftovers.values() for one in found)

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to remove."""
        return not any(self.leftovers.values())


def prune(project: Project, ctx: RunContext, chosen: Selection, *, dry_run: bool) -> Pruned:
    """Remove what is of no release that serves or is kept for a rollback; the caller holds the lock unless it is a dry run.

    Raises:
        UserError: Nothing was deployed yet.
        Refused: A run did not end: what it needs is not known.
        ProviderError: No host could be asked.
    """
    serving = Serving(project, ctx)
    if serving.history.unfinished is not None:
        raise Refused(f"{serving.history.unfinished.id} did not end", hint=serving.next_step)
    kept = kept_releases(serving, serving.bundle.keep)
    runtime = bundle_runtime(project, serving.bundle)

    def on(host: Host) -> tuple[Leftover, ...]:
        with project.blamed():
            return runtime.prune(ctx, host, kept, dry_run=dry_run)

    gathered = each(ctx, chosen.hosts, on).unless_all_failed()
    return Pruned(ctx.environment, kept, gathered.found, gathered.failures)


def kept_releases(serving: Serving, count: int) -> tuple[str, ...]:
    """Return the release that serves, the one before it, and those that are kept for a rollback."""
    retained, _ = serving.history.keep(count, serving.release.id)
    return tuple(dict.fromkeys(r for r in (serving.release.id, serving.release.previous_id, *retained) if r))
