"""Say what an engine's errors mean: the class, one sentence that names the host, and the next step."""

from __future__ import annotations

from collections.abc import Mapping

from stagecraft_hookspecs.errors import ProviderError, TimedOut, ToolMissing

#: What engines and Docker Compose say most often, in lower case, and the next step.
_HINTS: Mapping[str, str] = {
    "port is already allocated": "another container has the port: docker ps --format '{{.Names}} {{.Ports}}'",
    "address already in use": "another process has the port: ss -ltnp",
    "no space left": "free some space: docker system df shows what takes it",
    "disk quota exceeded": "free some space: docker system df shows what takes it",
    "exec format error": "the image is for another architecture than the host: build it for the host's (build.platforms)",
    "start_interval": "remove healthcheck.start_interval, or run Docker Engine 25 or later on this host",
    "no such image": "the image was removed meanwhile: deploy again",
    "not found": "see what is there: docker image ls",
    "permission denied": "check the file's permissions on the host",
    "is in use": "see what uses it: docker ps -a",
    "address pool": "the engine has no free subnet: docker network prune",
    "cannot connect to the docker daemon": "start it, and try: docker info",
}


def hint(text: str, otherwise: str = "see the engine's own log") -> str:
    """Return the next step for what an engine said; pure."""
    lowered = text.lower()
    return next((step for words, step in _HINTS.items() if words in lowered), otherwise)


def translated(host: str, what: str, error: Exception) -> ProviderError:
    """Return an error in our terms. Anything that is not the SDK's or its transport's is a fault of ours and is raised
    as it is.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(error, (Timeout, TimeoutError)):
        return TimedOut(
            f"the Docker engine on {host} did not answer in time (to {what})",
            hint="see whether it hangs: docker info",
        )
    if isinstance(error, APIError):
        text = " ".join(str(error.explanation or error).split())
        return ProviderError(f"the Docker engine on {host} refused to {what}: {text}", hint=hint(text))
    if isinstance(error, (DockerException, RequestException, OSError)):
        return ToolMissing(
            f"cannot reach the Docker engine on {host} (to {what})",
            hint="start it, and try: docker info",
            detail=str(error).partition("\n")[0],
        )
    raise error
