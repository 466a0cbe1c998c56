"""Do the same on several hosts at once, and keep what could be had apart from what could not, and why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
from stagecraft_hookspecs.errors import InternalError, Interrupted, PartialFailure, ProviderError, StagecraftError

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext

T = TypeVar("T")

#: Seconds between two looks whether the command was interrupted.
_TICK = 0.1


@attrs.frozen
class Failure:
    """Say why a host did not give what it was asked for."""

    host: str
    error: StagecraftError

    def document(self) -> dict[str, str]:
        """Return it as JSON-like data."""
        return {
            "host": self.host,
            "code": self.error.code,
            "message": self.error.message,
            "hint": self.error.hint,
        }


@attrs.frozen
class Gathered(Generic[T]):
    """Hold what hosts gave, by name, sorted, and the failures of the others."""

    found: Mapping[str, T]
    failures: tuple[Failure, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 10 when some hosts failed, else 0."""
        return PartialFailure.exit_code if self.failures else 0

    def unless_all_failed(self) -> Gathered[T]:
        """Return it; raise when no host gave anything: the error itself if there is one host, else one that names each."""
        if self.found or not self.failures:
            return self
        if len(self.failures) == 1:
            raise self.failures[0].error
        raise ProviderError(
            f"none of the {len(self.failures)} hosts could be asked",
            hint=next((f.error.hint for f in self.failures if f.error.hint), "run `stagecraft doctor`"),
            detail="\n".join(f"{f.host}: {f.error.message}" for f in self.failures),
        )


def each(ctx: RunContext, hosts: Sequence[Host], look: Callable[[Host], T]) -> Gathered[T]:
    """Call ``look`` for every host, in parallel, and return what came of it.

    Raises:
        Interrupted: The command was interrupted; hosts that still are asked are not waited for.
        InternalError: A fault of Stagecraft or a plugin: no host is to blame for it.
    """
    outcomes: dict[str, Any] = {}

    def ask(host: Host) -> None:
        try:
            outcomes[host.name] = (look(host), None)
        except BaseException as error:
            outcomes[host.name] = (None, error)

    if len(hosts) == 1:
        ask(hosts[0])
    else:
        threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                ctx.scope.check()
                thread.join(_TICK)
    found: dict[str, T] = {}
    failures: list[Failure] = []
    for name, (value, error) in sorted(outcomes.items()):
        if error is None:
            found[name] = value
        elif isinstance(error, StagecraftError) and not isinstance(error, (Interrupted, InternalError)):
            failures.append(Failure(name, error))
        else:
            raise error
    return Gathered(found, tuple(failures))
