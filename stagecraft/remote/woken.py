"""Wait for either stream of a channel."""

from __future__ import annotations

import threading


class Woken:
    """Be told by both buffers of a channel that something came; one of them running dry says nothing about the other."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.wait, self.forget = self._event.wait, self._event.clear

    def set(self) -> None:
        """Be told."""
        self._event.set()

    def clear(self) -> None:
        """Be told that one buffer is empty."""
