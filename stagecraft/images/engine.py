"""Ask a host's engine about images; its failures come out in the terms of the error tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from stagecraft_hookspecs.errors import ProviderError, StagecraftError, TimedOut, ToolMissing
from stagecraft_hookspecs.values import LOCAL, Host

from stagecraft.images import names

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

T = TypeVar("T")


def api(ctx: Context, host: Host = LOCAL) -> Any:
    """Return the low-level client of a host's engine."""
    return ctx.machine(host).docker().api


def inspect(ctx: Context, name: str, host: Host = LOCAL) -> dict[str, Any] | None:
    """Return an image as the engine describes it, or None when it is not there."""
    from docker.errors import ImageNotFound

    def ask() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = api(ctx, host).inspect_image(name)
        except ImageNotFound:
            return None
        return found

    return call(f"look at image {name}", name, ask, host)


def call(what: str, image: str, function: Callable[[], T], host: Host = LOCAL) -> T:
    """Call the engine of ``host``; raises ProviderError, or one below it, for whatever goes wrong there."""
    where = at(host)
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException, Timeout

        if isinstance(error, Timeout):
            raise TimedOut(
                f"the Docker engine{where} did not answer in time (to {what})", hint=f"try{where}: docker info"
            ) from error
        if isinstance(error, APIError):
            raise refused(what, image, str(error.explanation or error), host) from error
        if isinstance(error, DockerException | RequestException | OSError):
            raise ToolMissing(
                f"cannot reach the Docker engine{where} (to {what}): {error}", hint=f"try{where}: docker info"
            ) from error
        raise


def at(host: Host) -> str:
    """Return words that name a host, nothing for this machine."""
    return "" if host.name == LOCAL.name else f" on {host.name}"


def refused(what: str, image: str, text: str, host: Host = LOCAL) -> ProviderError:
    """Return the error for what the engine or a registry refused."""
    return ProviderError(f"cannot {what}{at(host)}: {' '.join(text.split())}", hint=hint(text, image, host))


def hint(text: str, image: str, host: Host = LOCAL) -> str:
    """Return the next step that a refusal suggests; pure."""
    there = at(host)
    registry = names.registry(image)
    login = f"docker login {registry}".strip()
    known = {
        "no basic auth": f"log in to the registry: {login}",
        "unauthorized": f"log in to the registry: {login}",
        "denied": f"log in to the registry with an account that may: {login}",
        "http response to https": f"the registry speaks HTTP: add {registry} to the engine's insecure-registries",
        "x509": "the registry's certificate is not trusted by the engine: install its CA for the engine",
        "dockerfile parse error": "correct the Dockerfile",
        "not found": f"check the name {image}",
        "manifest unknown": f"the registry has no such tag or digest: check {image}",
        "connection refused": f"nothing answers at {registry or 'the registry'}: is it running?",
        "no such host": f"the name {registry or 'of the registry'} does not resolve: check it",
        "no space left": f"free some space{there}: docker system df",
    }
    return next((h for words, h in known.items() if words in text.lower()), "try it by hand with the docker command")
