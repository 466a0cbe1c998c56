"""Talk to a container engine through its API: few calls, each with a deadline, every failure in the terms of the
error tree.

The client comes from ``ctx.machine(host).docker()``; the Docker SDK is imported for nothing but its exceptions, and
those only once something has gone wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError

from stagecraft_compose import faults, naming
from stagecraft_compose.containers import Container, from_list, refresh
from stagecraft_compose.parallel import gather

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.values import Host

T = TypeVar("T")
#: Seconds between the stop signal and SIGKILL where neither the image nor the compose file says.
GRACE = 10.0


@attrs.frozen
class Engine:
    """Hold the API client of one host's engine and the compose project that is meant.

    Attributes:
        api: The low-level client (``docker.APIClient``).
        project: The compose project's name.
        host: The host's name, for messages.
        machine: The host itself.
    """

    api: Any
    project: str
    host: str
    machine: Machine = attrs.field(default=None, eq=False)

    def containers(self) -> tuple[Container, ...]:
        """Return the project's containers, one-off ones left out, sorted by service and number; one question."""
        label = {"label": [f"{naming.COMPOSE_PROJECT}={self.project}", f"{naming.COMPOSE_ONEOFF}=False"]}
        listed = self.call("list containers", lambda: self.api.containers(all=True, filters=label))
        return tuple(sorted(map(from_list, listed), key=lambda c: (c.service, c.number, c.id)))

    def refreshed(self, containers: Iterable[Container]) -> tuple[Container, ...]:
        """Return containers in the state that they are in right now; those that are gone are left out.

        The engine's list is a copy that follows a change by some milliseconds: too late for what asks after a change.
        """
        known = list(containers)
        found = self.details(c.id for c in known)
        return tuple(refresh(c, found[c.id]) for c in known if c.id in found)

    def details(self, identities: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return containers as the engine describes them, by id, asked at once; those that are gone are left out."""
        wanted = list(identities)
        found = gather([functools.partial(self.raw, identity) for identity in wanted])
        return {identity: raw for identity, raw in zip(wanted, found, strict=True) if raw}

    def raw(self, identity: str) -> dict[str, Any] | None:
        """Return a container as the engine describes it, or None when it is gone."""
        found: dict[str, Any] | None = self.unless_gone(
            "inspect a container", lambda: self.api.inspect_container(identity)
        )
        return found

    def start(self, identity: str) -> None:
        """Start a container; does nothing to a running one."""
        self.call("start a container", lambda: self.api.start(identity))

    def stop(self, identity: str, limit: float | None = None) -> None:
        """Send the stop signal and wait; SIGKILL after the container's own grace, or after ``limit`` seconds if that
        is less. Does nothing to a stopped or removed one.
        """
        raw = self.raw(identity)
        if raw is None:
            return
        given = (raw.get("Config") or {}).get("StopTimeout")
        grace = GRACE if given is None else float(given)
        grace = grace if limit is None else min(grace, limit)
        self.unless_gone("stop a container", lambda: self.api.stop(identity, timeout=max(0, round(grace))))

    def remove(self, identity: str) -> None:
        """Remove a container, killing it if it runs, with the volumes that belong to it alone. Named volumes stay."""
        self.unless_gone("remove a container", lambda: self.api.remove_container(identity, v=True, force=True))

    def rename(self, identity: str, name: str) -> None:
        """Give a container another name."""
        self.call("rename a container", lambda: self.api.rename(identity, name))

    def remove_finished_oneoffs(self) -> None:
        """Remove one-off containers that ended and whose run was killed before it could remove them."""
        labels = [f"{naming.COMPOSE_PROJECT}={self.project}", f"{naming.COMPOSE_ONEOFF}=True"]
        filters = {"label": labels, "status": ["exited", "dead"]}
        for entry in self.call("list containers", lambda: self.api.containers(all=True, filters=filters)):
            self.remove(entry["Id"])

    def restart_policy(self, identity: str, policy: str) -> None:
        """Set a container's restart policy: ``no``, ``always``, ``unless-stopped`` or ``on-failure[:N]``."""
        kind, _, attempts = policy.partition(":")
        value: dict[str, Any] = {"Name": kind or "no"} | ({"MaximumRetryCount": int(attempts)} if attempts else {})
        self.unless_gone("update a container", lambda: self.api.update_container(identity, restart_policy=value))

    def log_tail(self, identity: str, lines: int = 20) -> tuple[str, ...]:
        """Return a container's last log lines; empty where the log driver keeps none."""
        try:
            data = self.call(
                "read logs", lambda: self.api.logs(identity, tail=lines, stdout=True, stderr=True, stream=False)
            )
        except ProviderError:
            return ()
        return tuple(bytes(data).decode(errors="replace").splitlines())

    def output_of(self, identity: str, argv: tuple[str, ...]) -> str:
        """Return what a harmless command prints inside a running container; empty where it cannot run."""
        try:
            made = self.call("look inside", lambda: self.api.exec_create(identity, list(argv), stderr=False))
            data = self.call("look inside", lambda: self.api.exec_start(made["Id"]))
        except ProviderError:
            return ""
        return bytes(data or b"").decode(errors="replace")

    def image(self, name: str) -> dict[str, Any] | None:
        """Return an image as the engine describes it, or None when it is not there."""
        found: dict[str, Any] | None = self.unless_gone("inspect an image", lambda: self.api.inspect_image(name))
        return found

    def call(self, what: str, function: Callable[[], T]) -> T:
        """Call the engine; whatever goes wrong comes out as a ``ProviderError`` with a next step."""
        return call(self.host, what, function)

    def unless_gone(self, what: str, function: Callable[[], T]) -> T | None:
        """Call the engine; None when what was asked about does not exist (any more)."""
        try:
            return function()
        except StagecraftError:
            raise
        except Exception as error:
            from docker.errors import NotFound as Gone

            if isinstance(error, Gone):
                return None
            raise faults.translated(self.host, what, error) from error


def connect(ctx: Context, host: Host, project: str) -> Engine:
    """Return the engine of a host; raises ``ToolMissing`` when it does not answer."""
    machine = ctx.machine(host)
    return Engine(call(host.name, "reach it", lambda: machine.docker().api), project, host.name, machine)


def call(host: str, what: str, function: Callable[[], T]) -> T:
    """Call the engine of a host; whatever goes wrong comes out as a ``ProviderError`` with a next step."""
    try:
        return function()
    except StagecraftError:
        raise
    except Exception as error:
        raise faults.translated(host, what, error) from error
