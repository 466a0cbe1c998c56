"""The entry point: tell the kernel of the runtime ``process`` and of the action that snapshots a service's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.phases import Performer, PhaseRun

    from stagecraft_process.runtime import Process


@hookimpl
def stagecraft_runtime() -> type[Process]:
    """Return the runtime's class."""
    from stagecraft_process.runtime import Process

    return Process


@hookimpl
def stagecraft_build(phase: PhaseRun, ctx: Context) -> Mapping[str, Performer]:
    """Return what performs ``process.snapshot``."""
    from stagecraft_process.render import SNAPSHOT
    from stagecraft_process.runtime import take_snapshot

    return {SNAPSHOT: take_snapshot}
