"""Hold an environment's lock: the state provider's, and within it a lease on every remote host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import PartialFailure, ProviderError

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Holder, Lease

    from stagecraft.context import RunContext
    from stagecraft.project import Project


@contextmanager
def locked(project: Project, ctx: RunContext, holder: Holder, wait: float) -> Iterator[Lease]:
    """Hold the lock while the block runs, waiting up to ``wait`` seconds for it.

    Raises:
        LockHeld: Somebody else has it.
        ProviderError: A host cannot be reached; nothing was begun on any.
    """
    with project.state.lock(ctx, holder, wait) as lease, ExitStack() as stack:
        yield _on_hosts(ctx, lease, wait, stack)


def _on_hosts(ctx: RunContext, lease: Lease, wait: float, stack: ExitStack) -> Lease:
    try:
        homes = ctx.remote_homes()
        if not homes:
            return lease
        held: Lease = stack.enter_context(ctx.fleet.lease(homes, lease, wait, ctx.scope))
    except PartialFailure as error:
        raise ProviderError(
            f"{error.message}; nothing was begun on any host", hint=error.hint, detail=error.detail
        ) from error
    return held
