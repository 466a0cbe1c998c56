"""The place of one process in the session: its state, its current run, and how a run begins and ends."""

from __future__ import annotations

import enum
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
from stagecraft_hookspecs.values import Process

from stagecraft.dev.child import Child
from stagecraft.dev.output import Stream
from stagecraft.dev.readiness import Readiness

#: Seconds after SIGKILL until a process that stays is given up.
LAST = 3.0


class State(enum.Enum):
    """Say where a process is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    ENDED = "ended"


@attrs.frozen
class Exited:
    """Tell that a run has ended; ``run`` numbers the runs of a process, so that a late message is known as such."""

    name: str
    run: int
    code: int


@attrs.frozen
class Ready:
    """Tell that a run became ready, and after how many seconds."""

    name: str
    run: int
    seconds: float


@attrs.frozen
class Late:
    """Tell that a run did not become ready in time."""

    name: str
    run: int


@attrs.define(eq=False)
class Slot:
    """Hold one process of the session. Only the supervisor's thread changes it.

    Attributes:
        restart: Whether it starts again once it has ended.
        killed: Whether SIGKILL was sent.
        stuck: Whether something of the last run outlived SIGKILL: another user's, or held by the system.
    """

    process: Process
    folder: Path
    environment: Mapping[str, str]
    mark: str
    stream: Stream
    post: Callable[[Exited | Ready | Late], None]
    state: State = State.WAITING
    run: int = 0
    restart: bool = False
    killed: bool = False
    stuck: bool = False
    deadline: float = 0.0
    child: Child | None = None
    readiness: Readiness | None = None

    @property
    def name(self) -> str:
        """Return the process's name."""
        return self.process.name

    @property
    def running(self) -> bool:
        """Tell whether there is a run that has not entirely ended."""
        return self.child is not None

    def start(self) -> int:
        """Start a run and return its pid; raises ProviderError."""
        self.run += 1
        run, name = self.run, self.name
        self.stream.forget()
        self.readiness = Readiness(
            self.process.ready,
            lambda seconds: self.post(Ready(name, run, seconds)),
            lambda: self.post(Late(name, run)),
        )
        self.child = Child(
            self.process.command.argv,
            self.folder,
            self.environment,
            self.mark,
            self.stream,
            lambda code: self.post(Exited(name, run, code)),
        )
        self.state, self.restart, self.killed, self.stuck = State.STARTING, False, False, False
        self.readiness.start()
        return self.child.pid

    def see(self, text: str) -> None:
        """Let readiness look at lines of the output."""
        if self.readiness is not None:
            self.readiness.see(text)

    def end(self, grace: float, *, restart: bool = False) -> None:
        """Begin to end the run: SIGTERM now, SIGKILL after the grace."""
        self.restart = restart
        if self.child is None or self.state is State.ENDING:
            return
        self.state, self.deadline = State.ENDING, time.monotonic() + grace
        self._quiet()
        self.child.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.child is not None:
            self.killed, self.deadline = True, time.monotonic() + LAST
            self.child.signal(signal.SIGKILL)

    def gone(self) -> bool:
        """Tell whether the run that was to end has ended with all its descendants; kill it when its time is up."""
        if self.child is None or self.child.gone:
            self.child = None
            return True
        if time.monotonic() > self.deadline:
            if self.killed:
                self.child, self.stuck = None, True
                return True
            self.kill()
        return False

    def _quiet(self) -> None:
        if self.readiness is not None:
            self.readiness.stop()
