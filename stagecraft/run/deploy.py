"""Deploy, roll back, resume, abort: the four ways in to the one executor."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError, UserError
from stagecraft_hookspecs.state import Holder, Lease
from stagecraft_hookspecs.values import Phase, Release, Status

from stagecraft.plan.planner import Planned, make_plan
from stagecraft.run import bundle as bundles
from stagecraft.run.assemble import assemble, bundle_proxy, bundle_runtime, rollback_plan, with_former
from stagecraft.run.execution import Execution
from stagecraft.run.history import History, reached, release_id
from stagecraft.run.journal import Journal
from stagecraft.run.locking import locked
from stagecraft.run.metering import Metering
from stagecraft.run.performers import Rollout
from stagecraft.run.routing import Former
from stagecraft.run.saved import load_plan, save_plan
from stagecraft.run.undo import undo

if TYPE_CHECKING:
    from stagecraft.context import RunContext
    from stagecraft.plan.model import Plan
    from stagecraft.project import Project


def utc_now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


@attrs.frozen
class Runner:
    """Run a project's releases.

    Attributes:
        who: ``user@machine``, for the record.
        wait: Seconds to wait for the lock.
        now: The clock; tests inject their own.
    """

    project: Project
    ctx: RunContext
    who: str
    pid: int
    wait: float = 0.0
    no_cache: bool = False
    now: Callable[[], datetime.datetime] = utc_now

    def deploy(
        self, version: str, commit: str = "", services: Sequence[str] = (), planned: Planned | None = None
    ) -> Release:
        """Deploy the project as it is now.

        A former run that was interrupted is brought to an end first: undone, or, if only clearing away was left, finished.
        """
        with self.locked("deploy") as lease:
            self._settle(lease)
            planned = planned or make_plan(self.project, version, services)
            planned.plan.refuse_errors()
            history = self._history()
            bundle = assemble(self.project, planned, self.ctx)
            if services:
                bundle = with_former(bundle, services, self._serving_bundle(history))
            return self._begin(history, planned.plan, bundle, lease, "deploy", version, commit)

    def rollback(self, *, to_release: str = "", to_version: str = "", irreversible: bool = False) -> Release:
        """Put a former release back; nothing is built, and no SQL runs."""
        with self.locked("rollback") as lease:
            self._settle(lease)
            history = self._history()
            source, bundle, plan = self.plan_rollback(
                history, to_release=to_release, to_version=to_version, irreversible=irreversible
            )
            return self._begin(history, plan, bundle, lease, "rollback", source.version, source.commit, source.id)

    def plan_rollback(
        self, history: History, *, to_release: str = "", to_version: str = "", irreversible: bool = False
    ) -> tuple[Release, bundles.Bundle, Plan]:
        """Return what a rollback would put back, and its plan; raises Refused across an irreversible migration."""
        from stagecraft.run.crossing import refuse_crossing

        source = history.source(release_id=to_release, version=to_version)
        bundle = self._bundle(history.origin(source))
        if not irreversible:
            refuse_crossing(self._serving_bundle(history), bundle, source)
        return source, bundle, rollback_plan(bundle, source)

    def resume(self) -> Release:
        """Continue the run that was interrupted, from its journal."""
        with self.locked("deploy --resume") as lease:
            unfinished = self._history().unfinished
            if unfinished is None:
                raise UserError("there is no interrupted run to resume", hint="see `stagecraft releases list`")
            return self._resume(unfinished, lease)

    def abort(self) -> Release | None:
        """Undo the run that was interrupted or could not be undone; return it, or None when there is none."""
        with self.locked("deploy --abort") as lease:
            unfinished = self._history().unfinished
            if unfinished is None:
                return None
            execution = self._restore(unfinished, lease)
            came_of_it = undo(execution, interrupted=False)
            if not came_of_it:
                raise came_of_it.partial() or UserError(
                    f"{unfinished.id} is not undone everywhere",
                    hint="mend what is named above, then repeat this command",
                )
            return execution.release

    def serving_context(self, lease: Lease) -> RunContext:
        """Return a context whose one-off commands run in the release that serves; as it is where nothing serves yet."""
        history = self._history()
        serving, bundle = history.serving, self._serving_bundle(history)
        if serving is None or bundle is None:
            return self.ctx
        return self._execution(serving, rollback_plan(bundle, serving), bundle, history, lease).ctx

    def locked(self, command: str) -> AbstractContextManager[Lease]:
        """Hold the environment's lock."""
        since = self.now().isoformat(timespec="seconds")
        holder = Holder(self.who, command, since, self.pid, self.who.partition("@")[2])
        return locked(self.project, self.ctx, holder, self.wait)

    def _history(self) -> History:
        return History(self.project.state.releases(self.ctx))

    def _begin(
        self,
        history: History,
        plan: Plan,
        bundle: bundles.Bundle,
        lease: Lease,
        command: str,
        version: str,
        commit: str,
        source_id: str = "",
    ) -> Release:
        now = self.now()
        serving = history.serving
        release = Release(
            release_id(now, [r.id for r in history.releases]),
            history.next_serial(),
            self.ctx.environment,
            version,
            commit,
            self.who,
            now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            serving.id if serving else "",
            command,
            source_id,
        )
        store = self.project.state.open(self.ctx.lasting(), release.id)
        save_plan(store, plan)
        bundle.save(store)
        self.project.state.record(self.ctx.lasting(), release)
        self.ctx.reporter.begin(plan, release)
        return self._execution(release, plan, bundle, history, lease).run()

    def _execution(
        self, release: Release, plan: Plan, bundle: bundles.Bundle, history: History, lease: Lease
    ) -> Execution:
        store = self.project.state.open(self.ctx.lasting(), release.id)
        retained, expired = history.keep(bundle.keep, release.id)
        proxy = bundle_proxy(self.project, bundle)
        rollout = Rollout(
            self.project,
            bundle_runtime(self.project, bundle),
            bundle,
            Journal(store),
            release.id,
            release.previous_id,
            retained,
            expired,
            plan.selected,
            self.no_cache,
            proxy,
            lambda: self._former(history, release.previous_id),
            Metering(bundle.deployment if proxy else None),
        )
        ctx = self.ctx.within(self.ctx.scope, oneoff=rollout.oneoff)
        return Execution(self.project, plan, release, rollout, store, ctx, lease)

    def _former(self, history: History, release_id: str) -> Former:
        """Return what served before a release; nothing for the first."""
        if not release_id:
            return Former()
        bundle = self._bundle(history.origin(history.get(release_id)))
        return Former(release_id, bundle.deployment, bundle_proxy(self.project, bundle))

    def _restore(self, release: Release, lease: Lease) -> Execution:
        store = self.project.state.open(self.ctx.lasting(), release.id)
        bundle = bundles.load(store, release.id)
        return self._execution(release, load_plan(store, release.id), bundle, self._history(), lease)

    def _resume(self, release: Release, lease: Lease) -> Release:
        phases = {
            p: s if s in (Status.COMPLETED, Status.SKIPPED) and not release.error else Status.PENDING
            for p, s in release.phases.items()
        }
        if release.error:
            # a failed phase left all later ones skipped; those before it stand
            for phase in Phase:
                if release.phases[phase] is Status.FAILED:
                    break
                phases[phase] = release.phases[phase]
        execution = self._restore(attrs.evolve(release, phases=phases, error=""), lease)
        execution.rollout.journal.note("resumed")
        self.ctx.reporter.begin(execution.plan, execution.release)
        return execution.run()

    def _settle(self, lease: Lease) -> None:
        """Bring a former run that did not end to its end, so that this one starts from one release everywhere."""
        unfinished = self._history().unfinished
        if unfinished is None:
            return
        if reached(unfinished, Phase.FINALIZE):
            self.ctx.log(f"{unfinished.id} was interrupted while clearing away; finishing that first")
            try:
                self._resume(unfinished, lease)
            except Interrupted:
                raise
            except StagecraftError as error:
                raise ProviderError(
                    f"{unfinished.id} serves, but clearing away after it fails, so nothing new was begun: {error.message}",
                    hint=f"mend that and repeat, or go back to {unfinished.previous_id or 'nothing'} with "
                    "`stagecraft deploy --abort`",
                ) from error
        else:
            self.ctx.log(f"{unfinished.id} did not end; undoing what it left first")
            execution = self._restore(unfinished, lease)
            came_of_it = undo(execution, interrupted=False)
            if not came_of_it:
                raise came_of_it.partial() or UserError(
                    f"{unfinished.id} could not be undone, so nothing new was begun",
                    hint="mend what is named above, then run `stagecraft deploy --abort`",
                )

    def _bundle(self, release: Release) -> bundles.Bundle:
        return bundles.load(self.project.state.open(self.ctx.lasting(), release.id), release.id)

    def _serving_bundle(self, history: History) -> bundles.Bundle | None:
        return self._bundle(history.origin(history.serving)) if history.serving else None
