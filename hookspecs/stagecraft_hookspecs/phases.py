"""Phases: take part in a deploy without being a provider of any kind.

Three ways, from light to strong:

*Observe.* ``stagecraft_on_*`` hooks are told what happened, one plugin at a time; whatever they raise is logged and forgotten.

*Wrap.* A phase hook with ``wrapper=True`` sees before, after and failure in one function::

    from stagecraft_hookspecs import hookimpl

    @hookimpl(wrapper=True)
    def stagecraft_rollout(phase, ctx):
        ctx.log(f"{len(phase.operations)} operations to go")
        try:
            outcome = yield
        except Exception as error:
            ctx.log(f"rollout failed: {error}", level="error")
            raise
        return outcome

*Contribute.* Plan an operation, and return from its phase's hook the function that performs its action. The operation is then shown
by ``plan``, run when its dependencies are done, journalled, and repeated after a crash, so it must be safe to repeat::

    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.values import Command, Operation, Phase

    @hookimpl
    def stagecraft_plan(deployment):
        return [Operation("purge-cdn", Phase.FINALIZE, "cdn.purge", "cdn", description="purge the CDN's cache")]

    def purge(operation, ctx):
        ctx.machine().run(Command(("cdn", "purge", "--all"), timeout=60))

    @hookimpl
    def stagecraft_finalize(phase, ctx):
        return {"cdn.purge": purge}

A project can do the same without packaging in a file ``stagecraft_hooks.py`` beside its configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from stagecraft_hookspecs import hookspec

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Deployment
    from stagecraft_hookspecs.values import Operation, OperationRecord, Phase, Release

#: Performs one operation. What it returns (JSON-like, or None) is kept in the journal as the operation's result.
Performer: TypeAlias = "Callable[[Operation, Context], Any]"


@attrs.frozen
class PhaseRun:
    """Describe the phase about to run: which, of which release, with which operations in the plan's order."""

    phase: Phase
    release: Release
    operations: tuple[Operation, ...] = ()


@hookspec
def stagecraft_plan(deployment: Deployment) -> Iterable[Operation] | None:
    """Contribute operations to the plan.

    When: once per plan, after the providers' own operations are known. Must be pure. Returns operations or None. On failure
    the plan fails and names the plugin.
    """


@hookspec
def stagecraft_build(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations of the build phase. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_push(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations of the push phase. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_migrate_pre(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations before the rollout. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_rollout(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations of the rollout. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_migrate_post(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations after the rollout. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_finalize(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer] | None:
    """Return performers, by action, for operations of the last phase. Wrappers surround the phase's execution."""


@hookspec
def stagecraft_on_release(release: Release, ctx: Context) -> None:
    """Be told that a release began or ended (look at ``release.phases``). Cannot fail the deploy."""


@hookspec
def stagecraft_on_phase(phase: PhaseRun, ctx: Context) -> None:
    """Be told that a phase began or ended; its status stands in ``phase.release.phases``. Cannot fail the deploy."""


@hookspec
def stagecraft_on_operation(operation: Operation, record: OperationRecord, ctx: Context) -> None:
    """Be told that an operation began, ended or failed. Cannot fail the deploy."""
