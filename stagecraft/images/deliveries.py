"""Keep what the deliveries of one run share: saved images, what hosts hold, and whose turn it is."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft.images.chains import Make
    from stagecraft.images.saved import Saved
    from stagecraft.images.wire import Wire

_LOOK = 0.05  # seconds between two looks at the interrupt while waiting for another


@attrs.frozen
class Login:
    """Name an account of a registry.

    Attributes:
        registry: Host, and port if there is one.
        password: The name of the secret that holds the password or token.
    """

    registry: str
    username: str
    password: str


def login_of(ctx: Context) -> Login | None:
    """Return the account that the run's configuration names; contexts other than the kernel's name none."""
    from stagecraft.context import RunContext

    return ctx.deliveries.login if isinstance(ctx, RunContext) else None


class Deliveries:
    """Serve all hosts and operations of a run.

    Args:
        login: The account that the configuration names; without one, what ``docker login`` left counts.
    """

    def __init__(self, login: Login | None = None) -> None:
        self.login = login
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, ...], threading.Lock] = defaultdict(threading.Lock)
        self._saved: dict[str, Saved] = {}
        self._folder: Path | None = None
        self._remove: Callable[[], object] = lambda: None
        self.makes: dict[tuple[str, str], Make] = {}
        """What images are made of by host and image id, as far as it was asked for: it never changes."""
        self.engines: dict[str, Mapping[str, Any]] = {}
        """What hosts' engines say of themselves, as far as they were asked."""
        self._wires: dict[str, Wire] = {}

    @contextmanager
    def turn(self, ctx: Context, *key: str) -> Iterator[bool]:
        """Wait for one's turn at a piece of work that several operations may ask for at once; tell whether another had it."""
        with self._lock:
            turn = self._turns[key]
        waited = not turn.acquire(blocking=False)
        while waited and not turn.acquire(timeout=_LOOK):
            ctx.sleep(0)
        try:
            yield waited
        finally:
            turn.release()

    def saved(self, ctx: Context, image: str, save: Callable[[Path], Saved], skip: int = 0) -> Saved:
        """Return an image saved, without what is in its first ``skip`` layers; whoever asks first saves it, others wait.

        It is saved again for a host that lacks more of it.
        """
        with self.turn(ctx, "save", image):
            if image not in self._saved or not self._saved[image].holds(skip):
                self._saved[image] = save(self.folder())
            return self._saved[image]

    def wire(self, host: Host) -> Wire:
        """Return what is known of the way to a host."""
        from stagecraft.images.wire import Wire

        with self._lock:
            return self._wires.setdefault(host.name, Wire())

    def folder(self) -> Path:
        """Return the run's private folder for blobs; it goes with the run."""
        from stagecraft.images import scratch

        with self._lock:
            if self._folder is None:
                self._folder, self._remove = scratch.make(self)
            return self._folder

    def close(self) -> None:
        """Remove what lies on the disk."""
        with self._lock:
            self._remove()
            self._folder = None
            self._saved.clear()
