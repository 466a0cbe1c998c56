"""Keep releases in the project's folder: ``.stagecraft/releases.json``, with bundles and journals beside it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from stagecraft_hookspecs.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.state import Holder, Lease, Store
    from stagecraft_hookspecs.values import Release


class Local(State):
    """Remember releases in the project's folder, for one machine that deploys."""

    name = "local"

    def releases(self, ctx: Context) -> tuple[Release, ...]:
        """Return every release of the environment, by serial. Raises StateCorrupt, naming the file and the place."""
        from stagecraft_local import history
        from stagecraft_local.places import places

        return history.load(places(ctx), ctx.environment)

    def record(self, ctx: Context, release: Release) -> None:
        """Insert or replace a release by id; durable when it returns. What others record meanwhile is kept."""
        from stagecraft_local import files, history
        from stagecraft_local.folder import prepare
        from stagecraft_local.places import places, plain

        at = places(ctx)
        plain("release id", release.id)
        with files.explained(at, "write", at.file):
            prepare(at)
            with files.exclusive(at.guard):
                history.save(at, release)

    def open(self, ctx: Context, release_id: str) -> Store:
        """Return a release's store; its folder is made by the first write."""
        from stagecraft_local.places import places
        from stagecraft_local.store import LocalStore

        return LocalStore(places(ctx), release_id)

    @contextlib.contextmanager
    def lock(self, ctx: Context, holder: Holder, wait: float = 0.0) -> Iterator[Lease]:
        """Hold the environment's lock by flock; it frees itself when its holder dies. Raises LockHeld."""
        from stagecraft_local import files, history, lock
        from stagecraft_local.places import places

        at = places(ctx)
        with lock.held(ctx, at, holder, wait) as lease:
            with files.explained(at, "write", at.last_good), files.exclusive(at.guard):
                history.catch_up(at)
            yield lease

    def holder(self, ctx: Context) -> Holder | None:
        """Return who holds the lock now, or None."""
        from stagecraft_local import lock
        from stagecraft_local.places import places

        return lock.current(places(ctx), ctx.environment)

    def release(self, ctx: Context) -> Holder | None:
        """End the process that holds the lock: asked first, so that it undoes what it had begun, then killed."""
        from stagecraft_local import takeover
        from stagecraft_local.places import places

        return takeover.taken(ctx, places(ctx))
