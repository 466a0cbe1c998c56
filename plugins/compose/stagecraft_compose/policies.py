"""Decide how each service is replaced, and why. Pure.

Start-first is possible unless something allows only one instance at a time. What rules it out is listed in
``obstacles``; the plan prints the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.runtime import Deployment, Order, Policy, Service

from stagecraft_compose import services


@attrs.frozen
class Obstacle:
    """Say what rules start-first out: a stable code, and words that complete "stop-first: …"."""

    code: str
    reason: str


def obstacles(service: Service, waited_for: Collection[str]) -> tuple[Obstacle, ...]:
    """Return everything that keeps two instances of a service from running side by side, the plainest first.

    ``waited_for`` holds the services whose completion somebody waits for.
    """
    definition = service.definition
    found: list[Obstacle] = []
    ports = sorted({port for _, port, _, _ in services.published(definition)})
    if ports:
        found.append(Obstacle("start-first-host-port", f"publishes host port {', '.join(ports)}"))
    if definition.get("container_name"):
        found.append(Obstacle("start-first-container-name", f"has container_name {definition['container_name']!r}"))
    mode = str(definition.get("network_mode") or "")
    if mode == "host" or mode.startswith(("container:", "service:")):
        found.append(Obstacle("start-first-network-mode", f"has network_mode {mode!r}"))
    if fixed_address(definition):
        found.append(Obstacle("start-first-static-address", "has a fixed network address"))
    writable = _writable(definition)
    if writable:
        found.append(Obstacle("single-writer-volume", f"writes to {', '.join(writable)}"))
    if services.one_shot(service.name, definition, waited_for):
        found.append(Obstacle("one-shot", "runs once and finishes"))
    return tuple(found)


def asked_for(service: Service) -> Order | None:
    """Return the order that the user wrote: ``x-stagecraft.order``, else ``deploy.update_config.order``."""
    own = service.definition.get("x-stagecraft") or {}
    value = own.get("order") if isinstance(own, Mapping) else None
    return Order(value) if value in tuple(Order) else service.update.order


def policy(service: Service, waited_for: Collection[str]) -> Policy:
    """Return a service's policy: what the user asked for where that is possible, else start-first where it is
    possible.
    """
    against = obstacles(service, waited_for)
    asked = asked_for(service)
    if against:
        return Policy(Order.STOP_FIRST, against[0].reason, service.update)
    if asked is Order.STOP_FIRST:
        return Policy(Order.STOP_FIRST, "the compose file asks for it", service.update)
    reason = "the compose file asks for it" if asked else "nothing keeps two instances from running side by side"
    return Policy(Order.START_FIRST, reason, service.update)


def policies(deployment: Deployment) -> dict[str, Policy]:
    """Return every service's policy."""
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    return {s.name: policy(s, waited_for) for s in deployment.services}


def fixed_address(definition: Mapping[str, Any]) -> bool:
    """Tell whether a service wants an address that only one container can have."""
    networks = definition.get("networks") or {}
    attached = networks.values() if isinstance(networks, Mapping) else ()
    fixed = ("ipv4_address", "ipv6_address", "mac_address")
    return bool(definition.get("mac_address")) or any(n and any(n.get(k) for k in fixed) for n in attached)


def _writable(definition: Mapping[str, Any]) -> list[str]:
    """Name what the service can write to and an instance beside it would share: volumes and bind mounts without
    ``read_only``.
    """
    found = []
    for mount in services.mounts(definition):
        if mount.get("read_only") or mount.get("type") not in ("volume", "bind"):
            continue
        if mount["type"] == "volume":
            found.append(
                f"volume {mount['source']}" if mount.get("source") else f"an anonymous volume at {mount['target']}"
            )
        elif not str(mount.get("source", "")).endswith(".sock"):
            found.append(f"bind mount {mount['target']}")
    return found
