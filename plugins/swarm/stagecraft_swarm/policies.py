"""Decide how the swarm replaces each service, and why so. Pure."""

from __future__ import annotations

from collections.abc import Collection

import attrs
from stagecraft_hookspecs.runtime import Deployment, Order, Policy, Service

from stagecraft_swarm import services


@attrs.frozen
class Obstacle:
    """Say what rules start-first out: a stable code, and words that complete "stop-first: …"."""

    code: str
    reason: str


def obstacles(service: Service, waited_for: Collection[str]) -> tuple[Obstacle, ...]:
    """Return what keeps two tasks of a service from running side by side on a node, the plainest first.

    A port that the swarm's ingress publishes is none: the swarm has it, not the tasks.
    """
    definition = service.definition
    found = []
    ports = [str(p["published"]) for p in services.published(definition) if p.get("mode") == "host"]
    if ports:
        found.append(Obstacle("start-first-host-port", f"publishes port {', '.join(sorted(ports))} of its node"))
    written = [
        f"volume {m['source']}" if m.get("source") and m["type"] == "volume" else f"what is mounted at {m['target']}"
        for m in services.mounts(definition)
        if m.get("type") in ("volume", "bind")
        and not m.get("read_only")
        and not str(m.get("source", "")).endswith(".sock")
    ]
    if written:
        found.append(Obstacle("single-writer-volume", f"writes to {', '.join(written)}"))
    if services.finishes(service.name, definition, waited_for):
        found.append(Obstacle("one-shot", "runs once and finishes"))
    return tuple(found)


def asked_for(service: Service) -> Order | None:
    """Return the order that the user wrote: ``x-stagecraft.order``, else ``deploy.update_config.order``."""
    value = services.below(service.definition, "x-stagecraft").get("order")
    return Order(value) if value in tuple(Order) else service.update.order


def policies(deployment: Deployment) -> dict[str, Policy]:
    """Return every service's policy: what the user asked for where it is possible, else start-first where it is."""
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    return {s.name: _policy(s, waited_for) for s in deployment.services}


def _policy(service: Service, waited_for: Collection[str]) -> Policy:
    against, asked = obstacles(service, waited_for), asked_for(service)
    if against:
        return Policy(Order.STOP_FIRST, against[0].reason, service.update)
    if asked is not None:
        return Policy(asked, "the compose file asks for it", service.update)
    return Policy(Order.START_FIRST, "nothing keeps two tasks from running side by side", service.update)
