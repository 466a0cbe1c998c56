"""Which requests an environment's proxy sends to which service: from published ports and `services.NAME.proxy`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ConfigError, Problem
from stagecraft_hookspecs.proxy import Limits, Route

from stagecraft.config.settings import RouteSettings, Tls

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Service

    from stagecraft.config import Config

HTTP, HTTPS = 80, 443
#: Ports on which something else than HTTP is spoken, by their registered or usual service: such a port is not routed unasked.
NOT_HTTP = frozenset(
    {
        21, 22, 23, 25, 53, 110, 111, 119, 123, 137, 139, 143, 161, 179, 389, 445, 465, 514, 587, 636, 853, 873, 989, 990, 993,
        995, 1025, 1080, 1194, 1433, 1434, 1521, 1883, 2049, 2181, 2379, 2380, 3306, 3389, 4222, 4369, 5060, 5061, 5222, 5432,
        5433, 5671, 5672, 6379, 6380, 6432, 7000, 7001, 7199, 8883, 9042, 9092, 9093, 9160, 11211, 26257, 26379, 27017, 27018,
        27019, 33060, 50000, 61613, 61616,
    }
)  # fmt: skip


@attrs.frozen
class Published:
    """One TCP port that a service publishes at a fixed port of its host."""

    listen: int
    port: int
    bind: str = ""


def published(definition: Mapping[str, Any]) -> tuple[Published, ...]:
    """Return the fixed TCP ports that a normalised compose service publishes, in the file's order."""
    found = []
    for entry in definition.get("ports") or ():
        listen = str(entry.get("published") or "")
        if listen.isdigit() and entry.get("protocol", "tcp") == "tcp":
            address = str(entry.get("host_ip") or "")
            found.append(Published(int(listen), int(entry["target"]), "" if address in ("0.0.0.0", "::") else address))  # noqa: S104
    return tuple(found)


def routed(config: Config, services: Sequence[Service]) -> tuple[Service, ...]:
    """Return the services with their routes, the routed ports taken out of what they publish.

    Raises:
        ConfigError: A route lacks what it needs, or two claim the same requests on one host.
    """
    databases = {d.service for d in config.databases.values() if d.service}
    problems: list[Problem] = []
    found = []
    for service in services:
        try:
            found.append(_routed(config, service, service.name in databases))
        except ConfigError as error:
            problems += error.problems
    problems += _clashes(config, found)
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _routed(config: Config, service: Service, database: bool) -> Service:
    settings = config.services.get(service.name)
    chosen = settings.proxy if settings else None
    ports = published(service.definition)
    grace = _grace(service.definition)
    if chosen is None:
        if database:
            return service
        mine = tuple(p for p in ports if p.port not in NOT_HTTP)
        routes = tuple(
            Route(f"{service.name}-{p.listen}", service.name, p.listen, p.port, p.bind, grace=grace) for p in mine
        )
    elif chosen is False:
        return service
    else:
        given = (RouteSettings(),) if chosen is True else chosen if isinstance(chosen, tuple) else (chosen,)
        routes = tuple(
            route
            for index, one in enumerate(given)
            for route in _given(config, service.name, service.definition, ports, one, index, grace)
        )
    return attrs.evolve(service, routes=_named(routes), definition=_without(service.definition, routes))


def _given(
    config: Config,
    service: str,
    definition: Mapping[str, Any],
    ports: tuple[Published, ...],
    given: RouteSettings,
    index: int,
    grace: float,
) -> Iterator[Route]:
    """Yield the route that a block describes, and those that redirect to it."""
    where = config.mark("services", service, "proxy", index)

    def fault(message: str, hint: str) -> ConfigError:
        return ConfigError([Problem(f"services.{service}.proxy: {message}", hint, where)])

    port = given.port or _only_port(definition, ports)
    if not port:
        raise fault("the service publishes no single port, so it is not known where it listens", "add `port: NUMBER`")
    mine = next((p for p in ports if p.port == port), None)
    secure = given.tls is not Tls.OFF
    listen = given.listen or (HTTPS if secure else HTTP if given.domains else mine.listen if mine else 0)
    if not listen:
        raise fault(f"port {port} is not published, so it is not known where the proxy listens", "add `listen: NUMBER`")
    if given.tls is Tls.GIVEN and not (given.certificate and given.key):
        raise fault("`tls: given` needs `certificate` and `key`", "name both files, or write `tls: acme`")
    if given.tls is Tls.ACME and not given.domains:
        raise fault("`tls: acme` needs `domains`", "name those that the certificate is for")
    if given.redirect_from and not given.domains:
        raise fault("`redirect_from` needs `domains`", "name the domain to redirect to first")
    bind = mine.bind if mine and mine.listen == listen else ""
    route = Route(
        f"{service}-{listen}",
        service,
        listen,
        port,
        bind,
        tuple(sorted(given.domains)),
        given.path,
        given.strip,
        given.tls.value,
        given.certificate or "",
        given.key or "",
        "",
        given.check or "",
        Limits(given.max_body or 0, given.timeout, given.idle),
        given.page or "",
        grace,
    )
    yield route
    if given.redirect_from:
        moved = tuple(sorted(given.redirect_from))
        yield attrs.evolve(route, id=f"{service}-{listen}-moved", hosts=moved, path="/", redirect=given.domains[0])
    if secure and given.redirect_http and listen == HTTPS:
        every = tuple(sorted({*given.domains, *given.redirect_from}))
        plain = attrs.evolve(route, tls="off", certificate="", key="", redirect="https")
        yield attrs.evolve(plain, id=f"{service}-{HTTP}-redirect", listen=HTTP, bind="", hosts=every)


def _only_port(definition: Mapping[str, Any], ports: tuple[Published, ...]) -> int:
    """Return the one port that a service publishes or else exposes; 0 where there are none or several."""
    exposed = {
        int(str(e).partition("/")[0]) for e in definition.get("expose") or () if str(e).partition("/")[0].isdigit()
    }
    targets = {p.port for p in ports} or exposed
    return targets.pop() if len(targets) == 1 else 0


def _named(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return the routes sorted, each with an id of its own."""
    seen: dict[str, int] = {}
    named = []
    for route in routes:
        seen[route.id] = seen.get(route.id, 0) + 1
        named.append(route if seen[route.id] == 1 else attrs.evolve(route, id=f"{route.id}-{seen[route.id]}"))
    return tuple(sorted(named, key=lambda r: r.id))


def _without(definition: Mapping[str, Any], routes: tuple[Route, ...]) -> Mapping[str, Any]:
    """Return the definition without the ports that the proxy takes over, which stay reachable for other services."""
    taken = {r.port for r in routes}
    ports = definition.get("ports") or ()
    left = [
        p for p in ports if p.get("protocol", "tcp") != "tcp" or not p.get("published") or int(p["target"]) not in taken
    ]
    if len(left) == len(ports):
        return definition
    kept = {key: value for key, value in definition.items() if key != "ports"}
    return {**kept, "ports": left} if left else kept


def _clashes(config: Config, services: Sequence[Service]) -> Iterator[Problem]:
    """Yield a problem for every two routes of one host that the same request fits, and listeners that are both plain and TLS."""
    seen: dict[tuple[str, int, str, str], Route] = {}
    secure: dict[tuple[str, int], Route] = {}
    for service in services:
        for route in service.routes:
            where = config.mark("services", service.name, "proxy")
            for host in service.hosts:
                other = secure.setdefault((host, route.listen), route)
                if (other.tls == "off") is not (route.tls == "off"):
                    yield Problem(
                        f"port {route.listen} on {host} is plain for {other.service} and TLS for {route.service}",
                        "give one of them another `listen`",
                        where,
                    )
                for domain in route.hosts or ("",):
                    first = seen.setdefault((host, route.listen, domain, route.path.rstrip("/")), route)
                    if first is not route and not (first.redirect and first.redirect == route.redirect):
                        yield Problem(
                            f"{first.service} and {route.service} both get {domain or 'every host'}{route.path} "
                            f"on port {route.listen} of {host}",
                            "give one of them other `domains`, another `path`, or another `listen`",
                            where,
                        )


def _grace(definition: Mapping[str, Any]) -> float:
    from stagecraft.plan.deployment import seconds

    return seconds(definition.get("stop_grace_period") or 10.0)
