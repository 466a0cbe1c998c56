"""Notice what a user would want to know before a deploy. Pure; every code is listed in the spec page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stagecraft_hookspecs.runtime import Deployment, Order, Service
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_compose import lints_hosts, policies, services

_HINTS = {
    "start-first-host-port": "with a proxy the port moves to the proxy and the service is replaced without a gap",
    "start-first-container-name": "remove container_name; other services reach it by its service name",
    "start-first-network-mode": "put the service on a network of its own and publish ports through a proxy",
    "start-first-static-address": "remove the fixed address; other services reach it by its service name",
    "single-writer-volume": "set `x-stagecraft: {order: stop-first}` to say that this is meant, or mount it read_only",
}


def findings(deployment: Deployment) -> tuple[Finding, ...]:
    """Return every finding, sorted by service and code."""
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    hosts = {s.name: frozenset(s.hosts) for s in deployment.services}
    found = [f for s in deployment.services for f in _of(s, waited_for, hosts)]
    found += [f for s in deployment.services for f in lints_hosts.findings(s, deployment)]
    return tuple(sorted(found, key=lambda f: (f.services, f.code, f.message)))


def _of(service: Service, waited_for: Collection[str], hosts: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    yield from _order(service, waited_for)
    yield from _health(service, waited_for)
    yield from _references(service)
    yield from lints_hosts.pauses(service)
    yield from _neighbours(service, hosts)


def _finding(service: Service, code: str, severity: Severity, message: str, hint: str, *path: str) -> Finding:
    return Finding(
        code, severity, f"{service.name}: {message}", hint, (service.name,), ("services", service.name, *path)
    )


def _order(service: Service, waited_for: Collection[str]) -> Iterator[Finding]:
    asked = policies.asked_for(service)
    own = service.definition.get("x-stagecraft") or {}
    if isinstance(own, Mapping) and own.get("order") not in (None, *tuple(Order)):
        message = f"x-stagecraft.order is {own.get('order')!r}"
        yield _finding(
            service, "unknown-order", Severity.ERROR, message, "write start-first or stop-first", "x-stagecraft"
        )
    for obstacle in policies.obstacles(service, waited_for):
        if asked is Order.START_FIRST:
            message = f"cannot be replaced start-first: it {obstacle.reason}"
            hint = _HINTS.get(obstacle.code, "ask for stop-first")
            yield _finding(service, obstacle.code, Severity.ERROR, message, hint, "deploy", "update_config", "order")
        elif asked is None and obstacle.code != "one-shot":
            message = f"is replaced stop-first: it {obstacle.reason}"
            yield _finding(service, obstacle.code, Severity.INFO, message, _HINTS[obstacle.code])


def _health(service: Service, waited_for: Collection[str]) -> Iterator[Finding]:
    definition = service.definition
    if services.one_shot(service.name, definition, waited_for):
        return
    if services.healthcheck(definition) is None:
        message = "has no healthcheck, so it counts as healthy once it has run for a while"
        yield _finding(service, "no-healthcheck", Severity.WARNING, message, "add a healthcheck", "healthcheck")
    own = definition.get("x-stagecraft") or {}
    drain = services.seconds(own.get("drain")) if isinstance(own, Mapping) else 0.0
    if drain > services.grace(definition):
        message = f"is given {services.grace(definition):g} s to stop, less than its drain of {drain:g} s"
        hint = f"set stop_grace_period to at least {drain:g}s"
        yield _finding(service, "stop-grace-shorter-than-drain", Severity.WARNING, message, hint, "stop_grace_period")


def _references(service: Service) -> Iterator[Finding]:
    """Refuse a secret anywhere but in the environment: every other key ends up in argv, labels or the image."""
    for key in sorted(service.definition):
        if key in ("environment", "build") or not _mentions(service.definition[key]):
            continue
        hint = "pass it by `environment`, or as a compose secret"
        yield _finding(service, "secret-outside-environment", Severity.ERROR, f"{key} holds a secret", hint, key)


def _mentions(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_mentions(v) for v in value)
    return isinstance(value, str) and "<secret:" in value


def _neighbours(service: Service, hosts: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Refuse what can only work on one host when the services are not on the same ones."""
    for other in sorted(services.shared_with(service.definition)):
        if not set(service.hosts) <= hosts.get(other, frozenset()):
            message = f"shares a namespace or volumes with {other!r}, which is not on the same hosts"
            yield _finding(service, "split-neighbours", Severity.ERROR, message, f"give {other!r} the same role")
