"""Carry one release through its phases: journalled, recorded after every step, undone when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Interrupted, LockHeld, StagecraftError
from stagecraft_hookspecs.phases import PhaseRun
from stagecraft_hookspecs.values import Operation, OperationRecord, Phase, Release, Status

from stagecraft.machine.scope import Scope
from stagecraft.run import hooks
from stagecraft.run.meter import in_words
from stagecraft.run.phases import PhaseExecutor
from stagecraft.run.scheduler import run_all
from stagecraft.run.undo import Undone, undo

if TYPE_CHECKING:
    from stagecraft_hookspecs.phases import Performer
    from stagecraft_hookspecs.state import Lease, Store

    from stagecraft.context import RunContext
    from stagecraft.plan.model import Plan
    from stagecraft.project import Project
    from stagecraft.run.performers import Rollout


#: How many operations run at once at most, however many hosts there are.
MOST = 64


class Execution:
    """Execute a plan as a release.

    Args:
        plan: What to do.
        release: As recorded; its phases and operations are carried on from there.
        rollout: The kernel's performers with all they need.
        lease: Proof of the lock, asked before every operation.
        limit: How many operations run at once; with many hosts two for each, up to ``MOST``.
    """

    def __init__(
        self,
        project: Project,
        plan: Plan,
        release: Release,
        rollout: Rollout,
        store: Store,
        ctx: RunContext,
        lease: Lease,
        *,
        limit: int = 4,
    ) -> None:
        self.project, self.plan, self.rollout, self.store = project, plan, rollout, store
        self.release = release
        self._ctx, self._lease, self._limit = ctx, lease, limit
        self._lock = threading.Lock()
        self._executor = PhaseExecutor(rollout.performers(), self._execute)
        project.kernel.register(self._executor, "stagecraft")

    def run(self) -> Release:
        """Run every phase that is not done; return the release, complete.

        Raises:
            StagecraftError: What made it fail, after it was recorded and, where that is right, undone.
        """
        self._observe("stagecraft_on_release", release=self.release)
        for phase in Phase:
            if self.release.phases[phase] in (Status.COMPLETED, Status.SKIPPED):
                continue
            try:
                self._phase(phase)
            except BaseException as error:
                partial = self._failed(phase, error)
                if partial is not None:
                    raise partial from error
                raise
        self._observe("stagecraft_on_release", release=self.release)
        return self.release

    def _phase(self, phase: Phase) -> None:
        operations = self.plan.of(phase)
        self._ctx.scope.check()
        if not operations and phase is not Phase.FINALIZE:
            self._set(phase, Status.SKIPPED)
            return
        self._set(phase, Status.RUNNING)
        if phase is Phase.ROLLOUT:
            self.rollout.metering.start(self._ctx)
        reporter = self._ctx.reporter
        reporter.phase(phase, Status.RUNNING)
        run = PhaseRun(phase, self.release, operations)
        self._observe("stagecraft_on_phase", phase=run)
        hooks.run(self._ctx, self.release, phase, "before")
        self._call(run)
        hooks.run(self._ctx, self.release, phase, "after")
        if phase is Phase.PUSH or (phase is Phase.BUILD and not self.plan.of(Phase.PUSH)):
            # from here on the images are known: what is rolled out, and what a rollback will need, is final
            self.rollout.completed_bundle().save(self.store)
        if phase is Phase.FINALIZE:
            self.release = attrs.evolve(self.release, downtime=self.rollout.metering.stop())
        self._set(phase, Status.COMPLETED)
        reporter.phase(phase, Status.COMPLETED)
        self._observe("stagecraft_on_phase", phase=attrs.evolve(run, release=self.release))

    def _call(self, run: PhaseRun) -> None:
        hook = getattr(self.project.kernel.hook, f"stagecraft_{run.phase.value}")
        try:
            hook(phase=run, ctx=self._ctx)
        except StagecraftError:
            raise
        except (Exception, SystemExit) as error:
            raise self.project.kernel.blame(error) from error

    def _execute(self, run: PhaseRun, table: Mapping[str, Performer]) -> None:
        scope = Scope(self._ctx.scope, monotonic=self._ctx.scope.monotonic)
        run_all(
            run.operations,
            lambda operation: self._perform(operation, table[operation.action], scope),
            scope,
            limit=max(self._limit, min(2 * len(self.plan.hosts), MOST)),
            narrow={"runtime.switch": self.project.config.rollout.max_parallel.of(len(self.plan.hosts))},
            cancelled=lambda operation, why: self._note(operation, Status.SKIPPED, 0.0, f"not begun: {why}"),
        )

    def _perform(self, operation: Operation, performer: Performer, scope: Scope) -> None:
        journal = self.rollout.journal
        if journal.done(operation):
            return
        if not self._lease.alive():
            raise _lost(self._lease)
        scope.check()
        ctx = self._ctx.within(scope, operation=operation.id)
        started = ctx.monotonic()
        journal.begin(operation)
        self._note(operation, Status.RUNNING, 0.0)
        try:
            result = performer(operation, ctx)
        except BaseException as error:
            fault = self._explain(error)
            self._attempt(lambda: journal.fail(operation, fault.message))
            self._note(operation, Status.FAILED, ctx.monotonic() - started, fault.message)
            if fault is error:
                raise
            raise fault from error
        journal.finish(operation, result)
        self._note(operation, Status.COMPLETED, ctx.monotonic() - started)

    def _failed(self, phase: Phase, error: BaseException) -> StagecraftError | None:
        """Record a failure and undo what is to be undone; return what to say instead where hosts are left in different states."""
        fault = self._explain(error)
        phases = {
            p: s if p is not phase and s in (Status.COMPLETED, Status.SKIPPED) else Status.SKIPPED
            for p, s in self.release.phases.items()
        }
        failed = attrs.evolve(self.release, phases={**phases, phase: Status.FAILED}, error=fault.message)
        self._attempt(lambda: self._record(failed))
        self._ctx.reporter.phase(phase, Status.FAILED)
        hooks.run_failed(self._ctx, self.release, phase)
        interrupted = isinstance(fault, Interrupted)
        came_of_it = undo(self, interrupted=interrupted) if self._must_undo(phase) else Undone()
        if not came_of_it and interrupted:
            fault.hint = "it could not be undone in time: `stagecraft deploy --abort` undoes what is left"
        if downtime := self.rollout.metering.stop():
            self._attempt(lambda: self._record(attrs.evolve(self.release, downtime=downtime)))
            if downtime["failures"]:
                self._ctx.log(f"meanwhile: {in_words(downtime)}", level="warning")
        self._observe("stagecraft_on_release", release=self.release)
        if interrupted or (partial := came_of_it.partial()) is None:
            return None
        self._ctx.log(fault.message, level="error")
        return partial

    def _must_undo(self, phase: Phase) -> bool:
        if phase is Phase.FINALIZE:
            self._ctx.log(
                f"{self.release.id} serves; clearing away after it is left: "
                "`stagecraft deploy --resume` or the next deploy finishes it",
                level="warning",
            )
            return False
        if not self.project.config.rollout.auto_undo:
            self._ctx.log("auto_undo is off: nothing was undone; `stagecraft deploy --abort` does it", level="warning")
            return False
        return True

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write down a failure; that it cannot be written (a full disk) must not hide the failure nor keep it from being undone."""
        try:
            write()
        except StagecraftError as error:
            self._ctx.log(f"the failure could not be recorded: {error.message}", level="warning")

    def undone(self) -> None:
        """Record that the release was undone."""
        self._record(attrs.evolve(self.release, undone=True))

    @property
    def ctx(self) -> RunContext:
        """Return the run's context."""
        return self._ctx

    def _explain(self, error: BaseException) -> StagecraftError:
        if isinstance(error, StagecraftError):
            return error
        if isinstance(error, KeyboardInterrupt):
            return Interrupted("interrupted", hint="run the command again")
        return self.project.kernel.blame(error)

    def _set(self, phase: Phase, status: Status) -> None:
        self._record(attrs.evolve(self.release, phases={**self.release.phases, phase: status}))

    def _note(self, operation: Operation, status: Status, seconds: float, error: str = "") -> None:
        record = OperationRecord(
            operation.id, operation.phase, status, round(seconds, 3), self._ctx.reporter.clean(error)
        )
        with self._lock:
            kept = {o.id: o for o in self.release.operations} | {record.id: record}
            order = [o.id for o in self.plan.operations]
            self.release = attrs.evolve(self.release, operations=tuple(kept[i] for i in order if i in kept))
        self._ctx.reporter.operation(operation, record)
        self._observe("stagecraft_on_operation", operation=operation, record=record)

    def _record(self, release: Release) -> None:
        with self._lock:
            self.release = attrs.evolve(
                release, operations=self.release.operations, error=self._ctx.reporter.clean(release.error)
            )
            self.project.state.record(self._ctx.lasting(), self.release)

    def _observe(self, hook: str, **arguments: object) -> None:
        for plugin, error in self.project.kernel.observers(hook, ctx=self._ctx, **arguments):
            self._ctx.log(f"observer {plugin} failed and is ignored: {error}", level="warning")


def _lost(lease: Lease) -> LockHeld:
    from stagecraft.remote.lease import FleetLease

    where = ", ".join(lease.lost) if isinstance(lease, FleetLease) else ""
    return LockHeld(
        f"the lock was lost{' on ' if where else ''}{where}, so nothing new is begun on any host",
        hint="see `stagecraft lock status`, then `stagecraft deploy --resume` or `--abort`",
    )
