"""Say what of a set of routes HAProxy cannot do, and what contradicts itself. All pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_haproxy import matching
from stagecraft_haproxy.quoting import unprintable

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z")
_BIND = re.compile(r"[0-9A-Fa-f.:]*\Z")


def findings(routes: tuple[Route, ...]) -> tuple[Finding, ...]:
    """Return errors and warnings, sorted by code and route."""
    ordered = sorted(routes, key=lambda r: r.id)
    found = [f for i, r in enumerate(ordered) for f in (*_alone(r), *_beside(r, ordered[:i]), *_https(r, ordered))]
    return tuple(sorted(found, key=lambda f: (f.code, f.message)))


def _error(code: str, route: Route, message: str, hint: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, severity, f"route {route.id}: {message}", hint, (route.service,))


def _alone(route: Route) -> Iterator[Finding]:
    if route.tls == "acme":
        hint = "give it `certificate` and `key`, or choose the proxy caddy or traefik"
        yield _error("haproxy-acme", route, "HAProxy gets no certificates by ACME", hint)
    if route.tls == "given" and not (route.certificate and route.key):
        yield _error("haproxy-no-certificate", route, "TLS without a certificate and a key", "name both files, PEM")
    bad = [h for h in (*route.hosts, *([route.redirect] if route.redirect else ())) if not _HOST.match(h)]
    if bad:
        yield _error(
            "haproxy-host", route, f"{bad[0]!r} is no host name", "write `shop.example.com` or `*.example.com`"
        )
    for path in (route.path, route.check):
        if path and (not path.startswith("/") or unprintable(path)):
            yield _error("haproxy-path", route, f"{path!r} is no path", "begin it with `/`")
    if not _BIND.match(route.bind):
        yield _error("haproxy-bind", route, f"{route.bind!r} is no address of a host", "write an IP address")


def _beside(route: Route, earlier: list[Route]) -> Iterator[Finding]:
    for other in earlier:
        if (other.bind, other.listen) == (route.bind, route.listen) and (other.tls == "off") != (route.tls == "off"):
            message = f"it and {other.id} listen on port {route.listen}, one with TLS and one without"
            yield _error("haproxy-mixed-tls", route, message, "give one of them another port")
        if matching.same(route, other):
            message = f"it takes the same requests as {other.id}, which gets them all"
            hint = "give one of them another port, host name or path"
            yield _error("haproxy-shadowed", route, message, hint, Severity.WARNING)


def _https(route: Route, routes: list[Route]) -> Iterator[Finding]:
    if route.redirect == "https" and not any(r.tls != "off" and not r.redirect for r in routes):
        message, hint = "it redirects to https, and no route has TLS", "give a route `tls`, or drop the redirect"
        yield _error("haproxy-redirect", route, message, hint, Severity.WARNING)
