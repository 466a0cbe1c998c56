"""One run of a process: started in a session of its own, read, waited for, signalled with all its descendants."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError

from stagecraft.dev import reaping

if TYPE_CHECKING:
    from stagecraft.dev.output import Stream

_CHUNK = 1 << 16


class Child:
    """Run a command until it ends.

    Two threads serve it: one reads its output as fast as the log takes it, so that a full pipe slows it down and nothing is lost;
    the other waits for its end.

    Args:
        mark: The value of the mark that its environment carries.
        on_exit: Told the exit code, negative for a signal, from the thread that waits.

    Raises:
        ProviderError: It cannot be started.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        mark: str,
        stream: Stream,
        on_exit: Callable[[int], None],
    ) -> None:
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            said = (isinstance(error, OSError) and error.strerror) or str(error)
            raise ProviderError(
                f"cannot run {argv[0]}: {said}", hint="a script needs a first line such as `#!/bin/sh`"
            ) from error
        self.pid = self._process.pid
        self._mark, self._stream, self._on_exit = mark, stream, on_exit
        self._reader = threading.Thread(target=self._read, name=f"dev-read-{self.pid}", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name=f"dev-wait-{self.pid}", daemon=True)
        self._reader.start()
        self._waiter.start()

    @property
    def code(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, its group, and its descendants elsewhere."""
        reaping.send(number, (self.pid,), reaping.marked(self._mark))

    @property
    def gone(self) -> bool:
        """Tell whether it has ended and all its descendants with it."""
        return self.code is not None and not reaping.left(self._mark, (self.pid,))

    def drained(self, timeout: float) -> bool:
        """Wait until all its output was taken; return whether it was in time."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def _wait(self) -> None:
        self._on_exit(self._process.wait())

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        cutter = self._stream.cutter()
        with output:
            while data := os.read(output.fileno(), _CHUNK):
                self._stream.lines(cutter.feed(data))
        self._stream.lines(cutter.flush())
