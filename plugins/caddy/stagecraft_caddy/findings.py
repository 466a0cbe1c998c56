"""What the plan says of routes that Caddy cannot serve, or serves in another way. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_caddy.handlers import secure_port


def findings(routes: tuple[Route, ...]) -> tuple[Finding, ...]:
    """Return the findings, sorted by code and service."""
    found = [*_mixed(routes), *(one for route in routes for one in _route(route, routes))]
    return tuple(sorted(found, key=lambda f: (f.code, f.services, f.message)))


def _mixed(routes: tuple[Route, ...]) -> Iterator[Finding]:
    for place in sorted({(r.bind, r.listen) for r in routes}):
        here = [r for r in routes if (r.bind, r.listen) == place]
        if len({r.tls == "off" for r in here}) > 1:
            yield Finding(
                "caddy-mixed-tls",
                Severity.ERROR,
                f"port {place[1]} cannot be both with and without TLS",
                "let one of the routes listen on another port",
                tuple(sorted({r.service for r in here})),
            )


def _route(route: Route, routes: tuple[Route, ...]) -> Iterator[Finding]:
    mine = (route.service,)
    if route.tls == "acme" and not route.hosts:
        yield Finding(
            "caddy-acme-hosts",
            Severity.ERROR,
            f"route {route.id} wants a certificate by ACME, and names no host",
            "name its hosts",
            mine,
        )
    if route.redirect == "https" and not secure_port(route, routes):
        yield Finding(
            "caddy-redirect-nowhere",
            Severity.WARNING,
            f"route {route.id} redirects to https, where nothing of this environment listens",
            "add a route with TLS for the same hosts",
            mine,
        )
    if route.check and not route.redirect:
        yield Finding(
            "caddy-no-checks",
            Severity.INFO,
            f"caddy does not ask {route.check} of route {route.id}; it passes over a target that refuses the connection",
            "the service's healthcheck decides when a release may take over",
            mine,
        )
