"""Undo a release on every host, on a time budget of its own, and say what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Interrupted, LockHeld, PartialFailure, StagecraftError
from stagecraft_hookspecs.values import Phase

from stagecraft.machine.scope import Scope

if TYPE_CHECKING:
    from stagecraft.context import RunContext
    from stagecraft.run.execution import Execution

#: Seconds for cleaning up after Ctrl-C or SIGTERM: what a CI service gives a cancelled job before it is killed.
INTERRUPTED_BUDGET = 9.0
#: Seconds for cleaning up after any other failure.
BUDGET = 300.0
#: Seconds of a budget for which a host that was lost may come back to be undone.
BACK = 60.0


@attrs.frozen
class Undone:
    """Say what came of undoing a release.

    Attributes:
        failed: Host to why it could not be undone.
        hosts: How many hosts there are.
        recorded: Whether it could be written down.
    """

    failed: Mapping[str, str] = attrs.field(factory=dict)
    hosts: int = 1
    recorded: bool = True

    def __bool__(self) -> bool:
        return not self.failed and self.recorded

    def partial(self) -> PartialFailure | None:
        """Return the error that says which hosts are left in which state; None when they are all in the same."""
        if not 0 < len(self.failed) < self.hosts:
            return None
        return PartialFailure(
            f"{', '.join(sorted(self.failed))} could not be undone; the other {self.hosts - len(self.failed)} of "
            f"{self.hosts} hosts are as before",
            hint="mend what is named above, then run `stagecraft deploy --abort`",
            detail="\n".join(f"{host}: {why}" for host, why in sorted(self.failed.items())),
        )


def undo(execution: Execution, *, interrupted: bool) -> Undone:
    """Make the previous release serve again on every host; return what came of it.

    A host that fails is reported together with the next command; the others are undone all the same.
    """
    journal, ctx = execution.rollout.journal, execution.ctx
    if not _touched(execution):
        return Undone(recorded=_recorded(execution, execution.undone))
    with contextlib.suppress(StagecraftError):
        # undoing is repeated until it is recorded as done, so that this note may be missing
        journal.note("undo")
    scope = Scope(deadline=INTERRUPTED_BUDGET if interrupted else BUDGET, monotonic=ctx.scope.monotonic)
    hosts = [h.name for h in execution.rollout.bundle.deployment.hosts]
    previous = execution.rollout.previous_id
    ctx.log(f"undoing: {previous or 'nothing'} will serve again" if previous else "undoing what was started")

    def one(host: str) -> StagecraftError | None:
        try:
            _undo_host(execution, ctx.within(scope, operation=f"undo:{host}"), host)
        except StagecraftError as error:
            return error
        except (Exception, SystemExit) as error:
            return execution.project.kernel.blame(error)
        return None

    stop = _second(ctx, scope)
    with ctx.interrupts.handled_by(stop), ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        outcomes = dict(zip(hosts, pool.map(one, hosts), strict=True))
    failed = {host: error for host, error in outcomes.items() if error is not None}
    for host, error in sorted(failed.items()):
        ctx.log(f"could not be undone: {error.message}", level="error", host=host)
    if failed:
        with contextlib.suppress(StagecraftError):
            journal.note("undo-failed", hosts=sorted(failed))
        ctx.log("the next command is `stagecraft deploy --abort`, which undoes what is left", level="error")
        return Undone({host: error.message for host, error in failed.items()}, len(hosts))
    ctx.log(f"undone: {previous} serves" if previous else "undone: nothing of this release is left")

    def record() -> None:
        journal.note("undone")
        execution.undone()

    return Undone(hosts=len(hosts), recorded=_recorded(execution, record))


def _undo_host(execution: Execution, ctx: RunContext, host: str) -> None:
    """Undo on one host; one that was lost is waited for, and undone if nobody has had its lock since."""
    ctx.regain(host, BACK)
    try:
        execution.rollout.undo(ctx, host)
    except LockHeld:
        # lost while it was undone; undoing begins anew and finds what is left
        ctx.regain(host, BACK)
        execution.rollout.undo(ctx, host)


def _recorded(execution: Execution, record: Callable[[], None]) -> bool:
    """Record that the release is undone; return whether that could be written."""
    try:
        record()
    except StagecraftError as error:
        execution.ctx.log(f"that it is undone could not be recorded: {error.message}", level="error")
        if error.hint:
            execution.ctx.log(f"{error.hint}, then run `stagecraft deploy --abort`", level="error")
        return False
    return True


def _second(ctx: RunContext, scope: Scope) -> Callable[[Interrupted], None]:
    """Return a handler that lets the undoing go on at the first signal and stops it at the second."""
    seen: list[Interrupted] = []

    def stop(reason: Interrupted) -> None:
        if reason.message.endswith("SIGHUP"):
            # a terminal that closes sends several; nobody is there who could have meant the second
            return
        seen.append(reason)
        if len(seen) == 1:
            ctx.log("undoing; interrupt again to leave it half done", level="warning")
        else:
            scope.cancel(reason)

    return stop


def _touched(execution: Execution) -> bool:
    """Tell whether the release began anything on a host: a start for a migration, or the rollout itself.

    The journal says so: it is written before an operation begins, the release's record only when a phase ends.
    """
    begun = execution.rollout.journal.begun
    return any(
        (
            o.phase is Phase.ROLLOUT
            or (o.action.startswith(("runtime.", "service.")) and o.action != "runtime.preflight")
        )
        and begun(o)
        for o in execution.plan.operations
    )
