"""Call a host's container engine; whatever goes wrong comes out in the terms of the error tree."""

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


def gone_is_none(what: str, function: Callable[[], T]) -> T | None:
    """Call the engine; None when what was asked about does not exist (any more)."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        from docker.errors import NotFound as Gone

        if isinstance(error, Gone):
            return None
        raise _translated(what, error) from error


def _translated(what: str, error: Exception) -> Exception:
    """Return the error in our terms; one that is neither the SDK's nor its transport's is a fault of ours and stays."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(error, Timeout):
        return TimedOut(
            f"the Docker engine did not answer in time (to {what})", hint="see whether it hangs: docker info"
        )
    if isinstance(error, APIError):
        text = str(error.explanation or error).strip()
        return ProviderError(f"the Docker engine refused to {what}: {text}", hint="see the engine's own log")
    if isinstance(error, (DockerException, RequestException, OSError)):
        return ToolMissing(
            f"cannot reach the Docker engine (to {what}): {error}", hint="start it, and try: docker info"
        )
    return error
