"""Die at a chosen step: from then on nothing that is asked of the machine or its engine is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.values import File

from stagecraft_container_proxy.contract.context import LocalContext, LocalMachine

#: What changes the host; asking does not count as a step.
CHANGES = frozenset(
    {
        "run",
        "write",
        "upload",
        "remove",
        "create",
        "start",
        "stop",
        "restart",
        "remove_container",
        "remove_volume",
        "exec_start",
    }
)


class Killed(BaseException):
    """Stand for SIGKILL: no handler gets to do anything any more."""


class Life:
    """Count down the steps that are left."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, name: str) -> None:
        """Take a step, or die."""
        if self.left <= 0:
            raise Killed(name)
        self.left -= name in CHANGES


class Mortal:
    """Pass everything on to an object, a step each."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner, self._life = inner, life

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name == "docker":
            return lambda: Mortal(value(), self._life)
        if name == "upload":
            return self._upload
        if not callable(value):
            return value if isinstance(value, (str, int)) or name == "host" else Mortal(value, self._life)

        def step(*args: Any, **named: Any) -> Any:
            self._life.step(name)
            return value(*args, **named)

        # the client's `api`, `volumes` and `containers` are objects with methods of their own
        return step if hasattr(value, "__self__") or hasattr(value, "__wrapped__") else Mortal(value, self._life)

    def _upload(self, files: Mapping[str, File], folder: str) -> tuple[str, ...]:
        """Write file by file: an upload may be cut off after any of them."""
        changed: tuple[str, ...] = ()
        for path, file in sorted(files.items()):
            self._life.step("upload")
            changed += self._inner.upload({path: file}, folder)
        return changed


class MortalContext(LocalContext):
    """Be the context of a run that is killed after so many steps."""

    def __init__(self, other: LocalContext, steps: int) -> None:
        super().__init__(other.root, other.project, other.environment)
        self.life = Life(steps)

    def machine(self, host: Any = None) -> Any:
        """Return this machine, for as long as the run lives."""
        return Mortal(LocalMachine(self.root), self.life)
