"""Run a topology until somebody ends it or a required process does, and leave nothing running."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError, TimedOut

from stagecraft.dev.logfile import LogFile
from stagecraft.dev.output import Stream
from stagecraft.dev.ports import local_port
from stagecraft.dev.session import FOLDER, GRACE
from stagecraft.dev.show import ended_with, readiness, shortened
from stagecraft.dev.slot import Exited, Late, Ready, Slot, State

if TYPE_CHECKING:
    from stagecraft.dev.output import Log
    from stagecraft.dev.session import Session
    from stagecraft.dev.topology import Topology

_IDLE, _BUSY = 1.0, 0.02

#: Seconds for which output is still read from processes that have ended, all together.
_DRAIN = 1.0


@attrs.frozen
class Typed:
    """Tell what was typed."""

    text: str


@attrs.frozen
class Changed:
    """Tell that a file changed which a process watches."""

    name: str
    path: str


Event = Exited | Ready | Late | Typed | Changed | StagecraftError | BrokenPipeError


class Supervisor:
    """Start, watch, restart and end the processes of a topology. One thread decides; others only post events.

    Args:
        folders, environments: By process name; what is in an environment is never printed.
        events: Where signals, keys, changes and the loss of the log are posted.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        topology: Topology,
        folders: Mapping[str, Path],
        environments: Mapping[str, Mapping[str, str]],
        session: Session,
        log: Log,
        events: queue.SimpleQueue[Event],
        grace: float = GRACE,
    ) -> None:
        self._session, self._log, self._events, self._grace = session, log, events, grace
        self._began = time.monotonic()
        self._files = {p.name: LogFile(session.folder / "logs" / f"{p.name}.log", log.say) for p in topology.processes}
        self._slots: dict[str, Slot] = {}
        for process in topology.processes:
            name = process.name
            mark = session.mark(name)
            self._slots[name] = Slot(
                process,
                folders[name],
                {**environments[name], **mark},
                next(iter(mark.values())),
                Stream(name, log, self._files[name], partial(self._see, name)),
                events.put,
            )
        self._complete = False

    def _see(self, name: str, text: str) -> None:
        self._slots[name].see(text)

    def run(self) -> None:
        """Run until the end. Returns when every process has ended and none of them was required.

        Raises:
            Interrupted: A signal ended it.
            ProviderError: A required process ended, or one did not become ready in time.
            ProviderError, BrokenPipeError: The log cannot be written any more.
        """
        try:
            self._start_due()
            while any(s.running or s.state is State.WAITING for s in self._slots.values()):
                self._handle(self._next(_BUSY if self._ending() else _IDLE))
                self._settle()
                self._start_due()
        finally:
            self._stop()

    def _next(self, seconds: float) -> Event | None:
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return None

    def _handle(self, event: Event | None) -> None:
        match event:
            case Exited():
                self._exited(event)
            case Ready(name, run, seconds) if self._current(name, run, State.STARTING):
                self._slots[name].state = State.READY
                self._log.say(f"{name} is ready after {seconds:.1f} s", "ready", process=name)
                self._report()
            case Late(name, run) if self._current(name, run, State.STARTING):
                raise self._late(self._slots[name])
            case Changed(name, path) if self._slots[name].state in (State.STARTING, State.READY, State.ENDED):
                self._restart((name,), f"{path} changed")
            case Typed(text):
                self._typed(text)
            case StagecraftError() | BrokenPipeError():
                raise event

    def _current(self, name: str, run: int, state: State) -> bool:
        slot = self._slots[name]
        return slot.run == run and slot.state is state

    def _exited(self, event: Exited) -> None:
        slot = self._slots[event.name]
        if slot.run != event.run or slot.state is State.ENDING:
            return
        # an output that a descendant holds open is not waited for
        if slot.child is not None:
            slot.child.drained(0.3)
        if slot.process.required:
            raise ProviderError(
                f"{slot.name} {ended_with(event.code)}",
                hint=f"it must run while the stack does; its whole output is in {FOLDER}/logs/{slot.name}.log",
                detail=slot.stream.tail(),
            )
        waiting = [
            s.name for s in self._slots.values() if s.state is State.WAITING and slot.name in s.process.depends_on
        ]
        if event.code and slot.state is State.STARTING and waiting:
            raise ProviderError(
                f"{slot.name} {ended_with(event.code)}, and {', '.join(waiting)} cannot start without it",
                hint=f"its whole output is in {FOLDER}/logs/{slot.name}.log",
                detail=slot.stream.tail(),
            )
        self._log.say(f"{slot.name} {ended_with(event.code)}", "exited", process=slot.name, code=event.code)
        slot.end(self._grace)

    def _late(self, slot: Slot) -> TimedOut:
        return TimedOut(
            f"{slot.name} did not become ready: {readiness(slot.process.ready)}",
            hint=f"see why in its lines above or in {FOLDER}/logs/{slot.name}.log, or correct what it is to be ready at",
            detail=slot.stream.tail(),
        )

    def _typed(self, text: str) -> None:
        words = text.split()
        if not words:
            return
        if words[0] == "r" and all(name in self._slots for name in words[1:]):
            self._restart(tuple(words[1:]) or tuple(self._slots), "as asked")
        else:
            self._log.say(f"`r` restarts all, `r NAME` one of {', '.join(self._slots)}; Ctrl-C ends the stack")

    def _restart(self, names: Sequence[str], why: str) -> None:
        self._log.say(f"restarting {', '.join(names)}: {why}", "restarting", processes=list(names))
        self._complete = False
        for name in names:
            slot = self._slots[name]
            if slot.running:
                slot.end(self._grace, restart=True)
            else:
                slot.state = State.WAITING

    def _ending(self) -> bool:
        return any(slot.state is State.ENDING for slot in self._slots.values())

    def _settle(self) -> None:
        """See which of the processes that are to end have ended."""
        for slot in self._slots.values():
            if slot.state is State.ENDING and slot.gone():
                slot.state = State.WAITING if slot.restart else State.ENDED
                self._over(slot)

    def _over(self, slot: Slot) -> None:
        self._session.forget(slot.name)
        if slot.stuck:
            self._log.say(f"something of {slot.name} cannot be ended: see `ps -ef`", "stuck", process=slot.name)

    def _start_due(self) -> None:
        """Start what waits and has what it depends on."""
        for slot in self._slots.values():
            if slot.state is State.WAITING and all(self._has(name) for name in slot.process.depends_on):
                self._log.say(
                    f"starting {slot.name}: {shortened(slot.process.command.argv)}", "starting", process=slot.name
                )
                self._session.register(slot.name, slot.start())

    def _has(self, name: str) -> bool:
        # a process that need not stay may have done its work
        return self._slots[name].state in (State.READY, State.ENDED)

    def _report(self) -> None:
        """Say once that all are ready, and where."""
        if self._complete or any(slot.state in (State.WAITING, State.STARTING) for slot in self._slots.values()):
            return
        self._complete = True
        places = []
        for slot in self._slots.values():
            port = local_port(slot.process.ready)
            if slot.state is State.READY and port:
                places.append(f"{slot.name} at {slot.process.ready.url or f'http://localhost:{port}'}")
        self._log.say(
            f"all ready{': ' + ', '.join(places) if places else ''}. `r` + Enter restarts, Ctrl-C ends the stack",
            "all-ready",
        )

    def _stop(self) -> None:
        """End what runs; a further signal ends it at once."""
        running = [slot for slot in self._slots.values() if slot.running]
        if running:
            self._log.say(f"stopping {', '.join(slot.name for slot in running)}", "stopping")
        children = [slot.child for slot in running if slot.child is not None]
        for slot in running:
            slot.end(self._grace)
        while any(slot.running for slot in running):
            if isinstance(self._next(_BUSY), Interrupted):
                self._log.say("killing what still runs")
                for slot in running:
                    slot.kill()
            for slot in running:
                if slot.running and slot.gone():
                    self._over(slot)
        deadline = time.monotonic() + _DRAIN
        for child in children:
            child.drained(max(0.0, deadline - time.monotonic()))
        for file in self._files.values():
            file.close()
