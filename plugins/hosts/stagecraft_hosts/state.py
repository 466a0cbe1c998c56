"""Keep releases on the environment's hosts: every host has all of them, so any laptop reads the same history."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.state import Holder, Lease, Store
    from stagecraft_hookspecs.values import Release

    from stagecraft_hosts.fleet import Fleet


class Hosts(State):
    """Remember releases on every host of the environment, for all who deploy to it."""

    name = "hosts"

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._fleets: dict[tuple[str, str, tuple[str, ...]], Fleet] = {}

    def releases(self, ctx: Context) -> tuple[Release, ...]:
        """Return every release of the environment, by serial, from the newest sound copies. Raises StateCorrupt."""
        from stagecraft_hosts import history

        return history.load(self._fleet(ctx), ctx)

    def record(self, ctx: Context, release: Release) -> None:
        """Insert or replace a release by id, on every host that answers; durable on enough of them when it returns."""
        from stagecraft_hosts import history

        history.save(self._fleet(ctx), ctx, release)

    def open(self, ctx: Context, release_id: str) -> Store:
        """Return a release's store; its folders are made by the first write."""
        from stagecraft_hosts.store import HostsStore

        return HostsStore(self._fleet(ctx), ctx, release_id)

    @contextlib.contextmanager
    def lock(self, ctx: Context, holder: Holder, wait: float = 0.0) -> Iterator[Lease]:
        """Keep other runs from this project folder out; the kernel's lease on the hosts keeps out those from elsewhere."""
        from stagecraft_hosts import guard

        with guard.held(ctx, holder, wait) as lease:
            self._fleet(ctx).forget()
            yield lease

    def holder(self, ctx: Context) -> Holder | None:
        """Return the run from this project folder that holds the lock, or None."""
        from stagecraft_hosts import guard

        return guard.current(ctx)

    def _fleet(self, ctx: Context) -> Fleet:
        from stagecraft_hosts.fleet import Fleet

        key = (str(ctx.root), ctx.environment, tuple(host.name for host in ctx.hosts))
        return self._fleets.setdefault(key, Fleet(ctx.hosts))
