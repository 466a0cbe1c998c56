"""State: where releases are remembered and who may change an environment.

A whole plugin is this file, ``stagecraft_drawer/plugin.py`` (JSON beside the project, for one machine)::

    import contextlib
    import fcntl
    import json
    import os
    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.errors import LockHeld, ProviderError, StateCorrupt
    from stagecraft_hookspecs.state import Holder, Lease, State
    from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status

    def save(path, value):
        '''Write a file in full or not at all, and have it on the disk before returning.'''
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path.with_suffix(".new"), "w") as file:
                json.dump(value, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            raise ProviderError(f"cannot write {path}: {error.strerror}", hint="check the disk") from error

    def load(path, default):
        try:
            return json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return default
        except ValueError as error:
            raise StateCorrupt(f"{path} is damaged: {error}", hint="put a copy of it back") from error

    def release(data):
        phases = {Phase(p): Status(s) for p, s in data["phases"].items()}
        records = [{**o, "phase": Phase(o["phase"]), "status": Status(o["status"])} for o in data["operations"]]
        return Release(**{**data, "phases": phases, "operations": tuple(OperationRecord(**o) for o in records)})

    class Store:
        def __init__(self, folder):
            self.files, self.log = folder / "files", folder / "journal"
        def put(self, name, data): save(self.files, {**load(self.files, {}), name: data.hex()})
        def get(self, name): return None if name not in self.names() else bytes.fromhex(load(self.files, {})[name])
        def names(self): return tuple(sorted(load(self.files, {})))
        def append(self, entry): save(self.log, [*self.entries(), dict(entry)])
        def entries(self): return tuple(load(self.log, []))

    class Drawer(State):
        '''Remember releases in files beside the project.'''

        name = "drawer"

        def folder(self, ctx):
            return ctx.root / ".drawer" / ctx.environment

        def releases(self, ctx):
            kept = load(self.folder(ctx) / "releases", {}).values()
            return tuple(sorted(map(release, kept), key=lambda r: r.serial))

        def record(self, ctx, release):
            path = self.folder(ctx) / "releases"
            save(path, {**load(path, {}), release.id: attrs.asdict(release)})

        def open(self, ctx, release_id):
            return Store(self.folder(ctx) / release_id)

        @contextlib.contextmanager
        def lock(self, ctx, holder, wait=0.0):
            until = ctx.monotonic() + wait
            save(self.folder(ctx) / "here", True)
            with open(self.folder(ctx) / "lock", "ab") as file:
                while True:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        if ctx.monotonic() >= until:
                            who = self.holder(ctx)
                            raise LockHeld(f"locked by {who.who if who else 'somebody'}", hint="try again later") from None
                    ctx.sleep(0.05)
                save(self.folder(ctx) / "holder", attrs.asdict(holder))
                try:
                    yield Lease(holder)
                finally:
                    os.unlink(self.folder(ctx) / "holder")

        def holder(self, ctx):
            found = load(self.folder(ctx) / "holder", None)
            return found and Holder(**found)

    @hookimpl
    def stagecraft_state():
        return Drawer

with the entry point ``drawer = "stagecraft_drawer.plugin"`` in the group ``stagecraft``. What ``record``, ``put`` and
``append`` return from must survive a power cut. Prove yours with ``contract.state.StateContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.errors import Refused
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Release


@attrs.frozen
class Holder:
    """Say who holds an environment's lock: ``user@machine``, the command, since when (RFC 3339), process id, host."""

    who: str
    command: str
    since: str = ""
    pid: int = 0
    host: str = ""


@attrs.frozen
class Lease:
    """Prove that the lock is held. ``alive`` is asked before each step that changes anything."""

    holder: Holder

    def alive(self) -> bool:
        """Tell whether the lock is still ours."""
        return True


class Store(Protocol):
    """Keep one release's bundle (named files, written whole) and its journal (entries, appended)."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file of the bundle in full or not at all; durable when it returns."""
        ...

    def get(self, name: str) -> bytes | None:
        """Return a file of the bundle, or None. Raises StateCorrupt for a damaged one."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of the bundle's files, sorted."""
        ...

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append an entry (JSON-like) to the journal; durable when it returns."""
        ...

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """Return the journal's whole entries; an entry cut off by a crash is left out. Raises StateCorrupt for other damage."""
        ...


class State(Provider):
    """Remember the releases of the project's environments."""

    @abstractmethod
    def releases(self, ctx: Context) -> tuple[Release, ...]:
        """Return every release of ``ctx.environment``, by serial. Needs no lock. Raises StateCorrupt, naming the damaged file."""

    @abstractmethod
    def record(self, ctx: Context, release: Release) -> None:
        """Insert or replace a release by id; durable when it returns. The caller holds the lock. Safe to repeat."""

    @abstractmethod
    def open(self, ctx: Context, release_id: str) -> Store:
        """Return the store of a release's bundle and journal, making it if there is none."""

    @abstractmethod
    def lock(self, ctx: Context, holder: Holder, wait: float = 0.0) -> AbstractContextManager[Lease]:
        """Hold the environment's lock, waiting up to ``wait`` seconds. It frees itself when its holder dies. Raises LockHeld."""

    @abstractmethod
    def holder(self, ctx: Context) -> Holder | None:
        """Return who holds the lock now, or None."""

    def release(self, ctx: Context) -> Holder | None:
        """Take the lock from whoever holds it and return who that was; None when nobody did.

        The holder's lease is not alive any more: it changes nothing from its next step on. By default refused, for a provider
        whose lock frees itself in every case.
        """
        raise Refused(
            f"the lock of state provider {self.name!r} cannot be taken from its holder",
            hint="end the process that `stagecraft lock status` names; the lock frees itself with it",
        )


@hookspec
def stagecraft_state() -> type[State] | Iterable[type[State]]:  # type: ignore[empty-body]
    """Return state classes. Called once, when a state provider is looked up by name; nothing is constructed."""
