"""Talk to engines through their API; every failure comes out in the terms of the error tree.

The client comes from ``ctx.machine(host).docker()``; the Docker SDK is imported for its exceptions alone, once something has
gone wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stagecraft_hookspecs.errors import ProviderError, StagecraftError, TimedOut, ToolMissing

T = TypeVar("T")
#: Hosts or objects that are asked about at once.
WIDTH = 6


def call(host: str, what: str, function: Callable[[], T]) -> T:
    """Call the engine of a host; whatever goes wrong comes out as a ``ProviderError`` with a next step."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        raise translated(host, what, error) from error


def unless_gone(host: str, what: str, function: Callable[[], T]) -> T | None:
    """Call the engine; None when what was asked about does not exist (any more)."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        from docker.errors import NotFound

        if isinstance(error, NotFound):
            return None
        raise translated(host, what, error) from error


def translated(host: str, what: str, error: Exception) -> ProviderError:
    """Return an error in our terms; a fault of our own is raised as it is."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(error, (Timeout, TimeoutError)):
        hint = "see whether it hangs: docker info"
        return TimedOut(f"the Docker engine on {host} did not answer in time (to {what})", hint=hint)
    if isinstance(error, APIError):
        text = " ".join(str(error.explanation or error).split())
        return ProviderError(f"the Docker engine on {host} refused to {what}: {text}", hint=_hint(text))
    if isinstance(error, (DockerException, RequestException, OSError)):
        detail = str(error).partition("\n")[0]
        message = f"cannot reach the Docker engine on {host} (to {what})"
        return ToolMissing(message, hint="start it, and try: docker info", detail=detail)
    raise error


def _hint(text: str) -> str:
    lowered = text.lower()
    if "does not have a leader" in lowered or "lost quorum" in lowered:
        return "more than half of the swarm's managers must be up: docker node ls"
    return "see the state of the swarm: docker node ls, docker info"


def gather(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Return what the calls return, in their order; the first error is raised when all have returned."""
    todo = list(calls)
    if len(todo) < 2:
        return [one() for one in todo]
    with ThreadPoolExecutor(max_workers=min(WIDTH, len(todo))) as pool:
        return [future.result() for future in [pool.submit(one) for one in todo]]
