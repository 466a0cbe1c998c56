"""Talk to a host's container engine; every failure comes out in the terms of the error tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from stagecraft_hookspecs.errors import ProviderError, StagecraftError, TimedOut, ToolMissing

T = TypeVar("T")


def call(what: str, function: Callable[[], T]) -> T:
    """Call the engine; raises ProviderError with a next step."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        raise _translated(what, error) from error


def unless_gone(what: str, function: Callable[[], T]) -> T | None:
    """Call the engine; None when what was asked about does not exist."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        from docker.errors import NotFound

        if isinstance(error, NotFound):
            return None
        raise _translated(what, error) from error


def _translated(what: str, error: Exception) -> ProviderError:
    """Return the error in our terms; what is neither the client's nor its transport's is a fault here."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(error, Timeout):
        return TimedOut(f"the engine did not answer in time (to {what})", hint="see whether it hangs: docker info")
    if isinstance(error, APIError):
        text = str(error.explanation or error).strip()
        return ProviderError(f"the engine refused to {what}: {text}", hint="see what is there: docker ps -a")
    if isinstance(error, (DockerException, RequestException, OSError)):
        return ToolMissing(f"cannot reach the engine (to {what}): {error}", hint="start it, and try: docker info")
    raise error
