"""Execute one phase: the kernel's innermost wrapper around each phase hook.

Plugins' implementations return performers by action; wrappers of add-ons surround this one, so they see before, after and failure.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.errors import PluginFault

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.phases import Performer, PhaseRun

Around = Generator[None, "list[Mapping[str, Performer] | None]", Any]


class PhaseExecutor:
    """Be the plugin that executes phases. Registered last, so that it is the innermost wrapper.

    Args:
        performers: The kernel's own, by action.
        execute: Runs the phase's operations with a table of performers.
    """

    def __init__(
        self,
        performers: Mapping[str, Performer],
        execute: Callable[[PhaseRun, Mapping[str, Performer]], None],
    ) -> None:
        self._performers = performers
        self._execute = execute

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_build(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_push(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_migrate_pre(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_rollout(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_migrate_post(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    @hookimpl(wrapper=True, trylast=True)
    def stagecraft_finalize(self, phase: PhaseRun, ctx: Context) -> Around:
        return (yield from self._around(phase))

    def _around(self, phase: PhaseRun) -> Around:
        results = yield
        table = merge(self._performers, results)
        missing = sorted({o.action for o in phase.operations} - set(table))
        if missing:
            raise PluginFault(
                f"nothing performs {', '.join(missing)}, which the plan has in phase {phase.phase}",
                hint="the plugin that planned it must return a performer from the phase's hook",
            )
        self._execute(phase, table)
        return results


def merge(own: Mapping[str, Performer], results: list[Mapping[str, Performer] | None]) -> dict[str, Performer]:
    """Return one table of performers; raises PluginFault when two claim an action or a result is no mapping."""
    table = dict(own)
    for result in results:
        if result is None:
            continue
        if not isinstance(result, Mapping) or not all(isinstance(k, str) and callable(v) for k, v in result.items()):
            raise PluginFault(f"a phase hook must return performers by action, not {result!r}")
        for action, performer in sorted(result.items()):
            if action in table:
                raise PluginFault(f"action {action!r} is performed by more than one plugin")
            table[action] = performer
    return table
