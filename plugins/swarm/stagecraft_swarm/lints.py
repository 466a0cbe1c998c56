"""Notice what a user would want to know before a deploy to a swarm. Pure; every code is listed in the spec page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stagecraft_hookspecs.errors import StagecraftError, UserError
from stagecraft_hookspecs.runtime import Deployment, Order, Service
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_swarm import mounts, policies, services, translate

_HINTS = {
    "start-first-host-port": "publish it through the swarm's ingress (`mode: ingress`), which needs no port of the node",
    "single-writer-volume": "set `x-stagecraft: {order: stop-first}` to say that this is meant, or mount it read_only",
    "one-shot": "ask for stop-first",
}


def findings(deployment: Deployment) -> tuple[Finding, ...]:
    """Return every finding, sorted by service and code."""
    waited_for = services.awaited({s.name: s.definition for s in deployment.services})
    found = [f for s in deployment.services for f in _of(s, deployment, waited_for)]
    return tuple(sorted(found, key=lambda f: (f.services, f.code, f.message)))


def unreadable(key: str, name: str, source: str, error: StagecraftError) -> UserError:
    """Return the error for a config or secret whose file cannot be read."""
    return UserError(
        f"{key.removesuffix('s')} {name!r}: {error.message}", hint=f"put it at {source}, or correct `file`"
    )


def _of(service: Service, deployment: Deployment, waited_for: Collection[str]) -> Iterator[Finding]:
    yield from _order(service, waited_for)
    yield from _schema(service)
    yield from _ports(service)
    yield from _places(service, deployment)
    yield from _secrets(service)
    definition = service.definition
    if not services.healthcheck(definition) and not services.finishes(service.name, definition, waited_for):
        message = f"has no healthcheck, so a task counts as well once it has run for {services.monitor(definition):g} s"
        yield _finding(service, "no-healthcheck", Severity.WARNING, message, "add a healthcheck", "healthcheck")


def _finding(service: Service, code: str, severity: Severity, message: str, hint: str, *path: str) -> Finding:
    where = ("services", service.name, *path)
    return Finding(code, severity, f"{service.name}: {message}", hint, (service.name,), where)


def _order(service: Service, waited_for: Collection[str]) -> Iterator[Finding]:
    asked, own = policies.asked_for(service), services.below(service.definition, "x-stagecraft").get("order")
    if own not in (None, *tuple(Order)):
        hint = "write start-first or stop-first"
        yield _finding(service, "unknown-order", Severity.ERROR, f"x-stagecraft.order is {own!r}", hint, "x-stagecraft")
    for obstacle in policies.obstacles(service, waited_for):
        hint = _HINTS[obstacle.code]
        if asked is Order.START_FIRST:
            message = f"cannot be replaced start-first: it {obstacle.reason}"
            path = ("deploy", "update_config", "order")
            yield _finding(service, obstacle.code, Severity.ERROR, message, hint, *path)
        elif asked is None and obstacle.code != "one-shot":
            message = f"is replaced stop-first: it {obstacle.reason}"
            yield _finding(service, obstacle.code, Severity.INFO, message, hint)


def _schema(service: Service) -> Iterator[Finding]:
    known = {*translate.KEPT, *translate.HANDLED}
    for key in sorted(service.definition):
        if service.definition[key] in (None, [], {}, "", False) or key in known or key.startswith("x-"):
            continue
        if key in translate.REFUSED:
            hint = "run it with `runtime: compose`, or remove the key"
            yield _finding(service, "swarm-unsupported", Severity.ERROR, f"a swarm has no {key}", hint, key)
        else:
            hint = "remove it if nothing depends on it"
            yield _finding(service, "swarm-ignored", Severity.INFO, f"a swarm does not heed {key}", hint, key)


def _ports(service: Service) -> Iterator[Finding]:
    for port in services.published(service.definition):
        number, address = str(port["published"]), str(port.get("host_ip") or "")
        if address not in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            message = f"publishes port {number} on {address} alone, but a swarm would open it on every address"
            hint = "publish it on every address, or not at all: other services reach it by its name"
            yield _finding(service, "swarm-port-address", Severity.ERROR, message, hint, "ports")
        elif not number.isdigit():
            message = f"publishes the ports {number}, and a swarm wants single ones"
            yield _finding(service, "swarm-port-range", Severity.ERROR, message, "name each port", "ports")
        elif port.get("mode") != "host":
            message = (
                f"port {number} answers on every node of the swarm, whichever runs it: the swarm's ingress serves it"
            )
            hint = "point visitors or a load balancer at any node; Stagecraft's proxies are not used with this runtime"
            yield _finding(service, "swarm-ingress", Severity.INFO, message, hint, "ports")


def _places(service: Service, deployment: Deployment) -> Iterator[Finding]:
    many = len(service.hosts) > 1
    image = service.image
    if many and image is not None and service.build is not None and not _has_registry(image.name):
        message = "its image is in no registry, so it is sent to each of the environment's hosts and no further node can run it"
        hint = "name a registry: project: {registry: …}"
        yield _finding(service, "swarm-local-image", Severity.INFO, message, hint, "image")
    named = sorted(
        str(m["source"]) for m in services.mounts(service.definition) if m.get("type") == "volume" and m.get("source")
    )
    if many and named:
        message = f"volume {', '.join(named)} is another one on each node, and a task that moves leaves it behind"
        hint = "run it on one host, or use a volume driver that is shared"
        yield _finding(service, "swarm-local-volume", Severity.WARNING, message, hint, "volumes")
    for mount in mounts.mounts(service.definition, deployment):
        if mount.problem:
            yield _finding(service, "swarm-project-mount", Severity.ERROR, mount.problem, mount.hint, "volumes")


def _has_registry(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _secrets(service: Service) -> Iterator[Finding]:
    definition = service.definition
    for key in sorted(definition):
        if key not in ("environment", "build") and _mentions(definition[key]):
            hint = "pass it by `environment`, or as a compose secret"
            yield _finding(service, "secret-outside-environment", Severity.ERROR, f"{key} holds a secret", hint, key)
    held = sorted(k for k, v in translate.environment(definition.get("environment")).items() if "<secret:" in v)
    if held:
        message = f"{', '.join(held)} will stand in the swarm's own records, which managers can read"
        hint = "a compose secret is encrypted there and reaches only the tasks that use it"
        yield _finding(service, "swarm-secret-environment", Severity.INFO, message, hint, "environment")


def _mentions(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_mentions(v) for v in value)
    return isinstance(value, str) and "<secret:" in value
