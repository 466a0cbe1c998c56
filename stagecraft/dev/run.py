"""Run a development session from a topology: look first, own the session, supervise, report."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import Interrupted, StagecraftError

from stagecraft.dev.environment import merge
from stagecraft.dev.keys import Keys
from stagecraft.dev.output import Log
from stagecraft.dev.preflight import check, folder_of
from stagecraft.dev.session import opened
from stagecraft.dev.supervisor import Changed, Event, Supervisor, Typed
from stagecraft.dev.watching import Watcher
from stagecraft.output.sink import hush
from stagecraft.run.signals import Interrupts

if TYPE_CHECKING:
    from stagecraft.dev.topology import Part, Topology
    from stagecraft.output.sink import Sink

#: Seconds to write what is still queued when all has ended.
_FLUSH = 1.0


def run_stack(topology: Topology, root: Path, files: Mapping[str, str], shell: Mapping[str, str], sink: Sink) -> int:
    """Run the stack until it ends; return 0, or 130 when a signal ended it.

    Args:
        files: The env files' variables.
        shell: This process's.

    Raises:
        UserError, ProviderError: Nothing could start, or a process failed; nothing of it runs any more.
        BrokenPipeError: Whoever read the log has gone.
    """
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    interrupts = Interrupts()

    def environment(part: Part) -> Mapping[str, str]:
        return merge(shell, files, part.process.command.env)

    log = Log(sink, tuple(part.name for part in topology.parts), events.put)
    try:
        with interrupts.installed(), interrupts.handled_by(events.put), opened(root, log.say) as session:
            # after what a former session has left was ended, since it may hold our ports
            check(topology, root, environment)
            if topology.absent:
                names = " ".join(topology.absent)
                log.say(f"not started by dev: {names}; if they are needed: docker compose up -d {names}")
            session.guard()
            keys = Keys(lambda line: events.put(Typed(line)))
            watcher = Watcher(
                root,
                {part.name: part.process.watch for part in topology.parts},
                lambda name, path: events.put(Changed(name, path)),
            )
            keys.start()
            watcher.start()
            try:
                Supervisor(
                    topology,
                    {part.name: folder_of(part, root) for part in topology.parts},
                    {part.name: environment(part) for part in topology.parts},
                    session,
                    log,
                    events,
                ).run()
                log.say("every process has ended")
                code = 0
            except Interrupted as reason:
                log.say(f"stopped: {reason.message}", "stopped")
                code = reason.exit_code
            finally:
                keys.stop()
                watcher.stop()
    except (StagecraftError, BrokenPipeError) as error:
        _close(log, getattr(error, "exit_code", 0))
        raise
    _close(log, code)
    return code


def _close(log: Log, code: int) -> None:
    """Write what is still queued."""
    if not log.close(_FLUSH):
        # Nobody reads, and a thread that is held up in writing would abort an orderly exit. All has ended: leave.
        os._exit(code)
    if log.lost:
        # what is still buffered goes nowhere
        hush(sys.stdout)
