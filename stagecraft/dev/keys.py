"""Read what is typed while the stack runs: whole lines, from a terminal whose foreground is ours."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

_POLL = 0.2


class Keys:
    """Read lines from standard input in a thread; nothing when it is no terminal.

    Args:
        on_line: Told each line, without its end.
    """

    def __init__(self, on_line: Callable[[str], None], descriptor: int = 0) -> None:
        self._on_line, self._descriptor = on_line, descriptor
        self._stopped = threading.Event()
        self.usable = _is_terminal(descriptor)

    def start(self) -> None:
        """Begin to read."""
        if self.usable:
            threading.Thread(target=self._read, name="dev-keys", daemon=True).start()

    def stop(self) -> None:
        """Read no further."""
        self._stopped.set()

    def _read(self) -> None:
        rest = b""
        while not self._stopped.is_set():
            try:
                ready, _, _ = select.select([self._descriptor], [], [], _POLL)
                # a read in the background would stop the whole session
                if not ready or os.tcgetpgrp(self._descriptor) != os.getpgrp():
                    self._stopped.wait(_POLL if ready else 0)
                    continue
                data = os.read(self._descriptor, 4096)
            except (OSError, ValueError):
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace").strip())


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
