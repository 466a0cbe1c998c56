"""What the plan says of routes that Traefik cannot serve, or serves in another way. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_traefik.dynamic import secure_port


def findings(routes: tuple[Route, ...]) -> tuple[Finding, ...]:
    """Return the findings, sorted by code and service."""
    found = [one for route in routes for one in _route(route, routes)]
    if routes:
        found.append(
            Finding(
                "traefik-unmeasured",
                Severity.WARNING,
                "traefik keeps its listeners open over a switch, says its source; it was not measured under load here",
                "where no request may be lost, measure it, or use a proxy that was",
                tuple(sorted({route.service for route in routes})),
            )
        )
    return tuple(sorted(found, key=lambda f: (f.code, f.services, f.message)))


def _route(route: Route, routes: tuple[Route, ...]) -> Iterator[Finding]:
    name, mine = f"route {route.id}", (route.service,)
    if route.tls == "acme" and not route.hosts:
        message = f"{name} wants a certificate by ACME, and names no host"
        yield Finding("traefik-acme-hosts", Severity.ERROR, message, "name its hosts", mine)
    if route.redirect:
        if route.redirect == "https" and not secure_port(route, routes):
            message = f"{name} redirects to https, where nothing of this environment listens"
            hint = "add a route with TLS for the same hosts"
            yield Finding("traefik-redirect-nowhere", Severity.WARNING, message, hint, mine)
        message = f"traefik redirects GET requests of {name} with 301, not 308"
        yield Finding("traefik-redirect-status", Severity.INFO, message, "other methods get 308", mine)
        return
    if route.page:
        message = f"traefik sends no page of its own: {name} without targets is a bare 503 with Retry-After"
        yield Finding("traefik-no-page", Severity.WARNING, message, "leave `page` out, or use another proxy", mine)
    if route.limits.idle:
        message = f"traefik does not end silent streams: `idle` of {name} is without effect"
        yield Finding("traefik-no-idle", Severity.WARNING, message, "leave `idle` out, or use another proxy", mine)
    if route.limits.body:
        message = f"traefik collects the whole request of {name} before it sends it on, to count its body"
        yield Finding(
            "traefik-buffers", Severity.INFO, message, "leave `max_body` out where uploads are streamed", mine
        )
