"""Talk to a container engine through its API: few calls, each with a deadline, every failure in the terms of the
error tree.

The client comes from ``ctx.machine(host).docker()``; this module imports the Docker SDK for nothing but its
exceptions, and those only once something has gone wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError, TimedOut, ToolMissing

from stagecraft_compose import naming
from stagecraft_compose.containers import Container, from_inspect

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

T = TypeVar("T")


@attrs.frozen
class Engine:
    """Hold the API client of one host's engine and the compose project that is meant.

    Attributes:
        api: The low-level client (``docker.APIClient``).
        project: The compose project's name.
        host: The host's name, for messages.
    """

    api: Any
    project: str
    host: str

    def containers(self) -> tuple[Container, ...]:
        """Return the project's containers, one-off ones left out, as the engine has them now: sorted by service and
        number.
        """
        label = {"label": [f"{naming.COMPOSE_PROJECT}={self.project}", f"{naming.COMPOSE_ONEOFF}=False"]}
        listed = call("list containers", lambda: self.api.containers(all=True, filters=label))
        found = (self.inspect(entry["Id"]) for entry in listed)
        return tuple(sorted((c for c in found if c), key=lambda c: (c.service, c.number, c.id)))

    def inspect(self, identity: str) -> Container | None:
        """Return a container, or None when it is gone."""
        raw = self.raw(identity)
        return from_inspect(raw) if raw else None

    def raw(self, identity: str) -> dict[str, Any] | None:
        """Return a container as the engine describes it, or None when it is gone."""
        found: dict[str, Any] | None = gone_is_none("inspect a container", lambda: self.api.inspect_container(identity))
        return found

    def start(self, identity: str) -> None:
        """Start a container; does nothing to a running one."""
        call("start a container", lambda: self.api.start(identity))

    def stop(self, identity: str, grace: float) -> None:
        """Send the stop signal and wait; SIGKILL after ``grace`` seconds. Does nothing to a stopped or removed one."""
        gone_is_none("stop a container", lambda: self.api.stop(identity, timeout=max(0, round(grace))))

    def remove(self, identity: str) -> None:
        """Remove a container, killing it if it runs, with the volumes that belong to it alone. Named volumes stay."""
        gone_is_none("remove a container", lambda: self.api.remove_container(identity, v=True, force=True))

    def rename(self, identity: str, name: str) -> None:
        """Give a container another name."""
        call("rename a container", lambda: self.api.rename(identity, name))

    def remove_finished_oneoffs(self) -> None:
        """Remove one-off containers that ended and whose run was killed before it could remove them."""
        labels = [f"{naming.COMPOSE_PROJECT}={self.project}", f"{naming.COMPOSE_ONEOFF}=True"]
        filters = {"label": labels, "status": ["exited", "dead"]}
        for entry in call("list containers", lambda: self.api.containers(all=True, filters=filters)):
            self.remove(entry["Id"])

    def restart_policy(self, identity: str, policy: str) -> None:
        """Set a container's restart policy: ``no``, ``always``, ``unless-stopped`` or ``on-failure[:N]``."""
        kind, _, attempts = policy.partition(":")
        value: dict[str, Any] = {"Name": kind or "no"} | ({"MaximumRetryCount": int(attempts)} if attempts else {})
        gone_is_none("update a container", lambda: self.api.update_container(identity, restart_policy=value))

    def log_tail(self, identity: str, lines: int = 20) -> tuple[str, ...]:
        """Return a container's last log lines; empty where the log driver keeps none."""
        try:
            data = call(
                "read logs", lambda: self.api.logs(identity, tail=lines, stdout=True, stderr=True, stream=False)
            )
        except ProviderError:
            return ()
        return tuple(bytes(data).decode(errors="replace").splitlines())

    def output_of(self, identity: str, argv: tuple[str, ...]) -> str:
        """Return what a harmless command prints inside a running container; empty where it cannot run."""
        try:
            made = call("look inside", lambda: self.api.exec_create(identity, list(argv), stderr=False))
            data = call("look inside", lambda: self.api.exec_start(made["Id"]))
        except ProviderError:
            return ""
        return bytes(data or b"").decode(errors="replace")

    def image(self, name: str) -> dict[str, Any] | None:
        """Return an image as the engine describes it, or None when it is not there."""
        found: dict[str, Any] | None = gone_is_none("inspect an image", lambda: self.api.inspect_image(name))
        return found


def connect(ctx: Context, host: Host, project: str) -> Engine:
    """Return the engine of a host; raises ``ToolMissing`` when it does not answer."""
    return Engine(call("reach the engine", lambda: ctx.machine(host).docker().api), project, host.name)


def call(what: str, function: Callable[[], T]) -> T:
    """Call the engine; whatever goes wrong comes out as a ``ProviderError`` with a next step."""
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


def _translated(what: str, error: Exception) -> ProviderError:
    """Return the error in our terms. Anything that is not the SDK's or its transport's is a fault of ours and is
    raised as it is.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(error, Timeout):
        return TimedOut(
            f"the Docker engine did not answer in time (to {what})", hint="see whether it hangs: docker info"
        )
    if isinstance(error, APIError):
        text = str(error.explanation or error).strip()
        return ProviderError(f"the Docker engine refused to {what}: {text}", hint=_hint(text))
    if isinstance(error, (DockerException, RequestException, OSError)):
        return ToolMissing(
            f"cannot reach the Docker engine (to {what}): {error}", hint="start it, and try: docker info"
        )
    raise error


def _hint(text: str) -> str:
    """Return the next step for what engines say most often."""
    known: Mapping[str, str] = {
        "port is already allocated": "another container has the port: docker ps --format '{{.Names}} {{.Ports}}'",
        "address already in use": "another process has the port: ss -ltnp",
        "no space left": "free some space: docker system df shows what takes it",
        "not found": "see what is there: docker image ls",
        "permission denied": "check the file's permissions on the host",
        "is in use": "see what uses it: docker ps -a",
    }
    return next((hint for words, hint in known.items() if words in text.lower()), "see the engine's own log")


def by_service(containers: Iterable[Container]) -> dict[str, tuple[Container, ...]]:
    """Return containers grouped by service, in the given order."""
    grouped: dict[str, list[Container]] = {}
    for container in containers:
        grouped.setdefault(container.service, []).append(container)
    return {name: tuple(found) for name, found in grouped.items()}
