"""Build and push without making a release."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stagecraft_hookspecs.phases import PhaseRun
from stagecraft_hookspecs.values import Operation, OperationRecord, Phase, Release, Status

from stagecraft.machine.scope import Scope
from stagecraft.plan.planner import Planned
from stagecraft.run.assemble import assemble
from stagecraft.run.journal import Journal
from stagecraft.run.performers import Rollout
from stagecraft.run.phases import merge
from stagecraft.run.scheduler import run_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from stagecraft.context import RunContext
    from stagecraft.plan.model import Plan
    from stagecraft.project import Project


class Memory:
    """Be a store that remembers nothing beyond this run."""

    def __init__(self) -> None:
        self._entries: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        """Forget it."""

    def get(self, name: str) -> bytes | None:
        """Have nothing."""
        return None

    def names(self) -> tuple[str, ...]:
        """Have nothing."""
        return ()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Remember an entry for this run."""
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """Return this run's entries."""
        return tuple(self._entries)


def build_only(plan: Plan, *, push: bool) -> tuple[Operation, ...]:
    """Return the plan's build operations, and with ``push`` those that push what they build."""
    pushes = [o for o in plan.of(Phase.PUSH) if o.action == "image.push"] if push else []
    builds = [o for o in plan.of(Phase.BUILD) if o.action != "runtime.preflight"]
    return (*builds, *pushes)


def build(
    project: Project, planned: Planned, operations: Sequence[Operation], ctx: RunContext, *, no_cache: bool
) -> dict[str, str]:
    """Perform the operations and return service to ``name@digest``."""
    planned.plan.refuse_errors()
    journal = Journal(Memory())
    rollout = Rollout(project, project.runtime, assemble(project, planned, ctx), journal, "", "", no_cache=no_cache)
    release = Release("", 0, ctx.environment, planned.plan.version)
    for phase in (Phase.BUILD, Phase.PUSH):
        chosen = tuple(o for o in operations if o.phase is phase)
        hook = getattr(project.kernel.hook, f"stagecraft_{phase.value}")
        table = merge(rollout.performers(), hook(phase=PhaseRun(phase, release, chosen), ctx=ctx))
        scope = Scope(ctx.scope, monotonic=ctx.monotonic)

        def perform(operation: Operation, scope: Scope = scope, table: Mapping[str, Any] = table) -> None:
            started = ctx.monotonic()
            ctx.reporter.operation(operation, OperationRecord(operation.id, operation.phase, Status.RUNNING))
            inner = ctx.within(scope, operation=operation.id)
            with project.blamed():
                journal.finish(operation, table[operation.action](operation, inner))
            seconds = ctx.monotonic() - started
            ctx.reporter.operation(operation, OperationRecord(operation.id, operation.phase, Status.COMPLETED, seconds))

        run_all(chosen, perform, scope, limit=4, cancelled=lambda operation, why: None)
    return {service: f"{image.name}@{image.digest}" for service, image in sorted(journal.images.items())}
