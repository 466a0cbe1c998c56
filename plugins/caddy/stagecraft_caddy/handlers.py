"""What Caddy does with the requests of one route. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stagecraft_container_proxy.box import MOUNT
from stagecraft_container_proxy.names import filename
from stagecraft_hookspecs.proxy import Route

from stagecraft_caddy import targets

Json = dict[str, Any]
RETRY_AFTER = "5"
PLAIN_PAGE = "Down for maintenance. Please try again in a moment.\n"
#: Well below what applications keep an idle connection open for: a request never meets one that is just being closed.
UPSTREAM_IDLE = "1s"
#: A target that refuses the connection is passed over; the request goes to the next one, for so long.
TRY, TRY_PAUSE = "2s", "100ms"
#: A WebSocket outlives a change of the routes by this.
STREAM_CLOSE_DELAY = "1h"


def blocks(routes: Iterable[Route], everything: tuple[Route, ...], slots: int) -> list[Json]:
    """Return one server's routes in the order in which they are looked at: named hosts first, longest path first."""
    ordered = sorted(routes, key=lambda r: (not r.hosts, -len(r.path.rstrip("/")), r.id))
    missing: Json = {"handle": [{"handler": "static_response", "status_code": 404}]}
    return [*(_block(route, everything, slots) for route in ordered), missing]


def _block(route: Route, everything: tuple[Route, ...], slots: int) -> Json:
    inner = [_redirect(route, everything)] if route.redirect else [_forward(route, slots), _maintenance(route)]
    block: Json = {"handle": [{"handler": "subroute", "routes": inner}], "terminal": True}
    match: Json = {}
    if route.hosts:
        match["host"] = list(route.hosts)
    if prefix := route.path.rstrip("/"):
        match["path"] = [prefix, f"{prefix}/*"]
    return {"match": [match], **block} if match else block


def _redirect(route: Route, everything: tuple[Route, ...]) -> Json:
    if route.redirect == "https":
        location = "https://{http.request.host}" + _port(secure_port(route, everything), 443)
    else:
        usual = 80 if route.tls == "off" else 443
        location = "{http.request.scheme}://" + route.redirect + _port(route.listen, usual)
    answer = {"Location": [location + "{http.request.uri}"]}
    return {"handle": [{"handler": "static_response", "status_code": 308, "headers": answer}]}


def secure_port(route: Route, everything: tuple[Route, ...]) -> int:
    """Return where the same hosts are served over TLS: 443 where there are several; 0 where there is none."""
    same = {
        other.listen
        for other in everything
        if other.tls != "off" and (not other.hosts or not route.hosts or set(other.hosts) & set(route.hosts))
    }
    return 443 if 443 in same else min(same, default=0)


def _port(port: int, usual: int) -> str:
    return "" if port in (0, usual) else f":{port}"


def _forward(route: Route, slots: int) -> Json:
    """Return the block that sends a request to one of the targets that the route's file names at this moment."""
    key = "{file." + f"{MOUNT}/targets/{filename(route.id)}" + "}"
    matcher = {"vars_regexp": {key: {"name": "targets", "pattern": targets.pattern(slots)}}}
    handlers: list[Json] = [_connection()]
    if route.limits.body:
        handlers.append({"handler": "request_body", "max_size": route.limits.body})
    if route.strip and route.path.rstrip("/"):
        handlers.append({"handler": "rewrite", "strip_path_prefix": route.path.rstrip("/")})
    return {"match": [matcher], "handle": [*handlers, _reverse_proxy(route, slots)], "terminal": True}


def _connection() -> Json:
    """Return the handler that closes clients' connections after their answers where the targets' file says so.

    An answer that switches protocols (101) keeps its own header.
    """
    group = "{http.regexp.targets.1}"
    response = {"deferred": True, "set": {"Connection": [group]}, "require": {"status_code": [2, 3, 4, 5]}}
    return {"handler": "headers", "response": response}


def _reverse_proxy(route: Route, slots: int) -> Json:
    transport: Json = {"protocol": "http", "keep_alive": {"idle_timeout": UPSTREAM_IDLE}}
    limits = route.limits
    if limits.timeout:
        transport["response_header_timeout"] = _nanoseconds(limits.timeout)
    if limits.idle:
        # counted on the connection, so it must not be shorter than what an answer may take to begin
        transport["read_timeout"] = _nanoseconds(max(limits.idle, limits.timeout))
    return {
        "handler": "reverse_proxy",
        "dynamic_upstreams": {"source": "multi", "sources": [_slot(number) for number in range(slots)]},
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": TRY,
            "try_interval": TRY_PAUSE,
        },
        "transport": transport,
        "stream_close_delay": STREAM_CLOSE_DELAY,
    }


def _slot(number: int) -> Json:
    """Return one slot. An IP address needs no name server; what was looked up is kept per address and port."""
    address, port = (f"{{http.regexp.targets.{2 + 2 * number + offset}}}" for offset in (0, 1))
    return {"source": "a", "name": address, "port": port}


def _maintenance(route: Route) -> Json:
    kind = "text/html" if route.page.endswith((".html", ".htm")) else "text/plain"
    return {
        "handle": [
            {
                "handler": "static_response",
                "status_code": 503,
                "headers": {"Retry-After": [RETRY_AFTER], "Content-Type": [f"{kind}; charset=utf-8"]},
                "body": "{file." + f"{MOUNT}/pages/{filename(route.id)}" + "}" if route.page else PLAIN_PAGE,
            }
        ]
    }


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
