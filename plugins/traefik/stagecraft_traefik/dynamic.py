"""Traefik's dynamic configuration: routers, middlewares, services with their servers. Read again whenever it changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stagecraft_container_proxy.box import MOUNT
from stagecraft_container_proxy.names import filename, hostport
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import Endpoint, Route

from stagecraft_traefik import ids
from stagecraft_traefik.static import RESOLVER

Json = dict[str, Any]
RETRY_AFTER = "retry-after"
NEXT_ONE = "next-one"
#: An idle connection to a service is closed before services close it themselves, and does not look like a request for long.
IDLE = "1s"
DIAL = "2s"
_NAMED = 1_000_000


def document(routes: Iterable[Route]) -> Json:
    """Return the dynamic configuration. It is never empty: Traefik would skip it and keep the former."""
    mine = sorted(routes, key=lambda route: route.id)
    middlewares: Json = {
        RETRY_AFTER: {"headers": {"customResponseHeaders": {"Retry-After": "5"}}},
        NEXT_ONE: {"retry": {"attempts": 4, "initialInterval": "50ms"}},
    }
    routers: Json = {}
    services: Json = {}
    transports: Json = {}
    for route in mine:
        name = ids.name_of(route.id)
        own = _middlewares(route, tuple(mine))
        middlewares |= own
        shared = [] if route.redirect else [NEXT_ONE if route.targets else RETRY_AFTER]
        routers[name] = _router(route, [*own, *shared])
        services[name] = {"loadBalancer": _balancer(route, name)}
        transports[name] = {"forwardingTimeouts": _timeouts(route)}
    http: Json = {"middlewares": middlewares}
    if mine:
        http |= {"routers": routers, "services": services, "serversTransports": transports}
    return {"http": http, **_tls(mine)}


def url(target: Endpoint) -> str:
    """Return a target as a server's URL."""
    return f"http://{hostport(target.address, target.port)}"


def rule(route: Route) -> str:
    """Return the rule that a route's requests fit; a path is whole segments."""
    parts = []
    if route.hosts:
        parts.append(" || ".join(f"Host({_quoted(host)})" for host in route.hosts))
    if prefix := route.path.rstrip("/"):
        parts.append(f"Path({_quoted(prefix)}) || PathPrefix({_quoted(prefix + '/')})")
    return " && ".join(f"({part})" for part in parts) or "PathPrefix(`/`)"


def secure_port(route: Route, everything: tuple[Route, ...]) -> int:
    """Return where the same hosts are served over TLS: 443 where there are several; 0 where there is none."""
    same = {
        other.listen
        for other in everything
        if other.tls != "off" and (not other.hosts or not route.hosts or set(other.hosts) & set(route.hosts))
    }
    return 443 if 443 in same else min(same, default=0)


def _quoted(text: str) -> str:
    if "`" in text or "{{" in text:
        raise UserError(f"{text!r} cannot stand in a rule of Traefik's", hint="use other characters in hosts and paths")
    return f"`{text}`"


def _router(route: Route, middlewares: list[str]) -> Json:
    router: Json = {
        "entryPoints": [ids.entry_point(route.bind, route.listen)],
        "rule": rule(route),
        "priority": (_NAMED if route.hosts else 0) + len(route.path.rstrip("/")) + 1,
        "service": ids.name_of(route.id),
    }
    if middlewares:
        router["middlewares"] = middlewares
    if route.tls == "acme":
        main, *others = route.hosts or ("",)
        router["tls"] = {"certResolver": RESOLVER, "domains": [{"main": main, **({"sans": others} if others else {})}]}
    elif route.tls == "given":
        router["tls"] = {}
    return router


def _middlewares(route: Route, everything: tuple[Route, ...]) -> Json:
    """Return the route's own middlewares, in the order in which a request meets them."""
    name = ids.name_of(route.id)
    if route.redirect == "https":
        port = secure_port(route, everything) or 443
        return {f"{name}-redirect": {"redirectScheme": {"scheme": "https", "port": str(port), "permanent": True}}}
    if route.redirect:
        usual = 80 if route.tls == "off" else 443
        port_part = "" if route.listen == usual else f":{route.listen}"
        moved = {"regex": "^(https?)://[^/]+(.*)", "replacement": f"${{1}}://{route.redirect}{port_part}${{2}}"}
        return {f"{name}-redirect": {"redirectRegex": {**moved, "permanent": True}}}
    found: Json = {}
    if route.limits.body:
        found[f"{name}-body"] = {"buffering": {"maxRequestBodyBytes": route.limits.body}}
    if route.strip and (prefix := route.path.rstrip("/")):
        found[f"{name}-strip"] = {"stripPrefix": {"prefixes": [prefix]}}
    return found


def _balancer(route: Route, transport: str) -> Json:
    targets = () if route.redirect else sorted(set(route.targets))
    servers = sorted({url(target) for target in targets})
    balancer: Json = {"servers": [{"url": one} for one in servers], "serversTransport": transport}
    if route.check and not route.redirect:
        balancer["healthCheck"] = {"path": route.check, "interval": "2s", "timeout": "2s"}
    return balancer


def _timeouts(route: Route) -> Json:
    begin = {"responseHeaderTimeout": f"{route.limits.timeout:g}s"} if route.limits.timeout else {}
    return {"dialTimeout": DIAL, "idleConnTimeout": IDLE, **begin}


def _tls(routes: list[Route]) -> Json:
    given = [route for route in routes if route.tls == "given"]
    if not given:
        return {}
    pairs = {route.id: _pair(route) for route in given}
    tls: Json = {"certificates": list(pairs.values())}
    if anyone := next((route for route in given if not route.hosts), None):
        tls["stores"] = {"default": {"defaultCertificate": pairs[anyone.id]}}
    return {"tls": tls}


def _pair(route: Route) -> Json:
    name = filename(route.id)
    return {"certFile": f"{MOUNT}/tls/{name}.crt", "keyFile": f"{MOUNT}/tls/{name}.key"}
