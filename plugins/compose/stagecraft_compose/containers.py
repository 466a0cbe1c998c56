"""Containers as values, and which of them a release wants. Pure; everything is told from labels, nothing from
memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from stagecraft_compose import naming

#: How the engine words a container's state and health in its list.
_EXITED = re.compile(r"(?:Exited|Restarting) \((-?\d+)\)")
_HEALTH = {"(healthy)": "healthy", "(unhealthy)": "unhealthy", "(health: starting)": "starting"}


@attrs.frozen
class Container:
    """Describe a container of the project, as far as the engine's list of containers tells.

    Attributes:
        state: ``created|running|paused|restarting|removing|exited|dead``.
        health: ``healthy|unhealthy|starting|none``.
        exit_code: Of its last end, while it does not run.
        image_id: What it was made from.
        restart: The restart policy that its service wants.
        wanted_name: The service's ``container_name``, or empty.
        ports: Published addresses, ``127.0.0.1:8080->8000/tcp``; none while it is stopped.
        volumes: Container path to name, of the volumes that nobody named.
    """

    id: str
    name: str
    service: str
    number: int
    state: str
    health: str = "none"
    exit_code: int = 0
    release: str = ""
    fingerprint: str = ""
    image: str = ""
    image_id: str = ""
    restart: str = ""
    wanted_name: str = ""
    ports: tuple[str, ...] = ()
    address: str = ""
    volumes: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def running(self) -> bool:
        """Tell whether its process lives."""
        return self.state in ("running", "paused", "restarting")

    @property
    def started(self) -> bool:
        """Tell whether it ever ran."""
        return self.state != "created"

    @property
    def finished(self) -> bool:
        """Tell whether it ran to its end and succeeded."""
        return self.state == "exited" and self.exit_code == 0

    @property
    def fine(self) -> bool:
        """Tell whether it runs and nothing is known against it."""
        return self.state == "running" and self.health != "unhealthy"


def from_list(entry: Mapping[str, Any]) -> Container:
    """Return the value for an entry of the engine's ``/containers/json``; pure."""
    labels = entry.get("Labels") or {}
    number = str(labels.get(naming.COMPOSE_NUMBER, "0"))
    status = str(entry.get("Status") or "")
    ended = _EXITED.match(status)
    return Container(
        id=entry["Id"],
        name=_own_name(entry.get("Names") or ()),
        service=labels.get(naming.COMPOSE_SERVICE, ""),
        number=int(number) if number.isdigit() else 0,
        state=entry.get("State") or "dead",
        health=next((word for words, word in _HEALTH.items() if words in status), "none"),
        exit_code=int(ended[1]) if ended else 0,
        release=labels.get(naming.RELEASE, ""),
        fingerprint=labels.get(naming.FINGERPRINT, ""),
        image=labels.get(naming.IMAGE) or entry.get("Image", ""),
        image_id=entry.get("ImageID", ""),
        restart=labels.get(naming.RESTART, ""),
        wanted_name=labels.get(naming.CONTAINER_NAME, ""),
        ports=_ports(entry),
        address=_address(entry),
        volumes=_anonymous(entry),
    )


def refresh(container: Container, raw: Mapping[str, Any]) -> Container:
    """Return a container with the state that the engine's ``/containers/ID/json`` tells; pure."""
    state = raw["State"]
    return attrs.evolve(
        container,
        state=state.get("Status") or "dead",
        health=(state.get("Health") or {}).get("Status") or "none",
        exit_code=int(state.get("ExitCode") or 0),
    )


def _own_name(names: Iterable[str]) -> str:
    """Return the container's name; links of other containers to it, ``/other/name``, are listed beside it."""
    return next((name.lstrip("/") for name in names if name.count("/") == 1), "")


def _ports(entry: Mapping[str, Any]) -> tuple[str, ...]:
    found = (
        f"{port.get('IP') or '0.0.0.0'}:{port['PublicPort']}->{port['PrivatePort']}/{port.get('Type', 'tcp')}"  # noqa: S104 - shown, not bound
        for port in entry.get("Ports") or ()
        if port.get("PublicPort")
    )
    return tuple(sorted(set(found)))


def _address(entry: Mapping[str, Any]) -> str:
    """Return the address on the first network, by name, that has given one."""
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(n["IPAddress"]) for _, n in sorted(networks.items()) if n.get("IPAddress")), "")


def _anonymous(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the volumes that the engine named: 64 hexadecimal digits, by path in the container."""
    volumes = (m for m in entry.get("Mounts") or () if m.get("Type") == "volume")
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
