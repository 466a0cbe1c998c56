"""Containers as values, and which of them a release wants. Pure; everything is told from labels, nothing from
memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from stagecraft_compose import naming

_NEVER = "0001-01-01T00:00:00Z"


@attrs.frozen
class Container:
    """Describe a container of the project.

    Attributes:
        state: ``created|running|paused|restarting|removing|exited|dead``.
        health: ``healthy|unhealthy|starting|none``.
        image_id: What it was made from.
        restart: The restart policy that its service wants.
        wanted_name: The service's ``container_name``, or empty.
        grace: Seconds between its stop signal and SIGKILL.
        volumes: Container path to name, of the volumes that nobody named.
    """

    id: str
    name: str
    service: str
    number: int
    state: str
    health: str = "none"
    exit_code: int = 0
    restarts: int = 0
    started: str = ""
    release: str = ""
    fingerprint: str = ""
    image: str = ""
    image_id: str = ""
    restart: str = ""
    wanted_name: str = ""
    grace: float = 10.0
    ports: tuple[str, ...] = ()
    address: str = ""
    volumes: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def running(self) -> bool:
        """Tell whether its process lives."""
        return self.state in ("running", "paused", "restarting")

    @property
    def finished(self) -> bool:
        """Tell whether it ran to its end and succeeded."""
        return self.state == "exited" and self.exit_code == 0 and bool(self.started)

    @property
    def fine(self) -> bool:
        """Tell whether it runs and nothing is known against it."""
        return self.state == "running" and self.health != "unhealthy"


def from_inspect(raw: Mapping[str, Any]) -> Container:
    """Return the value for what the engine's ``/containers/ID/json`` says."""
    state, config = raw["State"], raw["Config"]
    labels = config.get("Labels") or {}
    started = str(state.get("StartedAt") or "")
    number = str(labels.get(naming.COMPOSE_NUMBER, "0"))
    grace = config.get("StopTimeout")
    return Container(
        id=raw["Id"],
        name=str(raw.get("Name", "")).lstrip("/"),
        service=labels.get(naming.COMPOSE_SERVICE, ""),
        number=int(number) if number.isdigit() else 0,
        state=state.get("Status", "dead"),
        health=(state.get("Health") or {}).get("Status") or "none",
        exit_code=int(state.get("ExitCode") or 0),
        restarts=int(raw.get("RestartCount") or 0),
        started="" if started == _NEVER else started,
        release=labels.get(naming.RELEASE, ""),
        fingerprint=labels.get(naming.FINGERPRINT, ""),
        image=labels.get(naming.IMAGE) or config.get("Image", ""),
        image_id=raw.get("Image", ""),
        restart=labels.get(naming.RESTART, ""),
        wanted_name=labels.get(naming.CONTAINER_NAME, ""),
        grace=10.0 if grace is None else float(grace),
        ports=_ports(raw),
        address=_address(raw),
        volumes=_anonymous(raw),
    )


def _ports(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return published addresses, ``127.0.0.1:8080->8000/tcp``: the bound ones, or what is asked for while it is
    stopped.
    """
    bound = (raw.get("NetworkSettings") or {}).get("Ports") or (raw.get("HostConfig") or {}).get("PortBindings") or {}
    found = (
        f"{b.get('HostIp') or '0.0.0.0'}:{b.get('HostPort')}->{target}"  # noqa: S104 - shown, not bound
        for target, bindings in bound.items()
        for b in bindings or ()
    )
    return tuple(sorted(set(found)))


def _address(raw: Mapping[str, Any]) -> str:
    """Return the address on the first network, by name, that has given one."""
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(n["IPAddress"]) for _, n in sorted(networks.items()) if n.get("IPAddress")), "")


def _anonymous(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the volumes that the engine named: 64 hexadecimal digits, by path in the container."""
    volumes = (m for m in raw.get("Mounts") or () if m.get("Type") == "volume")
    named = {str(m["Destination"]): str(m.get("Name", "")) for m in volumes}
    return {
        path: name for path, name in sorted(named.items()) if len(name) == 64 and set(name) <= set("0123456789abcdef")
    }


@attrs.frozen
class Wanted:
    """Say what a release wants of one service: so many containers with this fingerprint."""

    fingerprint: str
    replicas: int = 1
    finishes: bool = False


@attrs.frozen
class Assignment:
    """Say what becomes of a service's containers.

    Attributes:
        serving: Already what is wanted, and fine.
        ready: What is wanted, but not started: new ones, or kept from an earlier release.
        missing: How many must still be created.
        others: Everything else, to be stopped.
    """

    service: str
    serving: tuple[Container, ...] = ()
    ready: tuple[Container, ...] = ()
    missing: int = 0
    others: tuple[Container, ...] = ()

    @property
    def old(self) -> tuple[Container, ...]:
        """Return the running containers that are to be replaced."""
        return tuple(c for c in self.others if c.running)

    @property
    def settled(self) -> bool:
        """Tell whether nothing has to be done: the service is left untouched."""
        return not (self.ready or self.missing or self.old)


def assign(wanted: Mapping[str, Wanted], containers: Iterable[Container]) -> dict[str, Assignment]:
    """Return for every service, wanted or only found (with nothing wanted), what becomes of its containers. Sorted."""
    grouped: dict[str, list[Container]] = {name: [] for name in wanted}
    for container in containers:
        grouped.setdefault(container.service, []).append(container)
    nothing = Wanted("", 0)
    return {name: _assign(name, wanted.get(name, nothing), grouped[name]) for name in sorted(grouped)}


def _assign(name: str, wanted: Wanted, containers: list[Container]) -> Assignment:
    ours = [c for c in containers if c.fingerprint and c.fingerprint == wanted.fingerprint]
    serving = [c for c in ours if c.fine or (wanted.finishes and c.finished)][: wanted.replicas]
    startable = [c for c in ours if c not in serving and not c.running and c.state in ("created", "exited")]
    ready = startable[-(wanted.replicas - len(serving)) :] if len(serving) < wanted.replicas else []
    chosen = {c.id for c in (*serving, *ready)}
    return Assignment(
        service=name,
        serving=tuple(serving),
        ready=tuple(ready),
        missing=max(0, wanted.replicas - len(chosen)),
        others=tuple(c for c in containers if c.id not in chosen),
    )
