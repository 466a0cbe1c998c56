"""Traefik's static configuration: where it listens, where it tells, who issues certificates. Read once, at its start. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from stagecraft_container_proxy.box import MOUNT
from stagecraft_container_proxy.names import hostport
from stagecraft_hookspecs.proxy import Route

from stagecraft_traefik import ids
from stagecraft_traefik.config import Config

Json = dict[str, Any]
DYNAMIC_FILE = "dynamic.yml"
RESOLVER = "stagecraft"
#: Where Traefik tells what it does; the address is the environment's own, and known only where it runs.
API_PORT = 8080
ANYWHERE = "127.0.0.1"
#: Long enough for a large upload; Traefik's own 60 s would cut it off.
READ_TIMEOUT = "600s"
GRACE = 10.0


def document(config: Config, routes: Iterable[Route], address: str = ANYWHERE) -> Json:
    """Return the static configuration for routes; the API listens on ``address``."""
    mine = tuple(routes)
    grace = max((route.grace for route in mine), default=GRACE)
    places = sorted({(route.bind, route.listen) for route in mine})
    points: Json = {ids.entry_point(*place): _entry_point(config, *place, grace) for place in places}
    static: Json = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "entryPoints": {**points, "traefik": {"address": hostport(address, API_PORT)}},
        "api": {"insecure": True, "dashboard": False},  # "insecure": over HTTP, on the entry point `traefik` only
        "providers": {
            "providersThrottleDuration": "100ms",
            "file": {"filename": f"{MOUNT}/{DYNAMIC_FILE}", "watch": True},
        },
    }
    if any(route.tls == "acme" for route in mine):
        static["certificatesResolvers"] = {RESOLVER: {"acme": _acme(config, places)}}
    return static


def needs_restart(running: Json | None, wanted: Json) -> bool:
    """Tell whether a Traefik that was started with ``running`` must be started again; a listener too many does no harm."""
    if running is None:
        return True
    without = [{k: v for k, v in one.items() if k != "entryPoints"} for one in (running, wanted)]
    points = running.get("entryPoints")
    known = points if isinstance(points, dict) else {}
    return without[0] != without[1] or any(known.get(k) != v for k, v in wanted["entryPoints"].items())


def dumped(document: Json) -> bytes:
    """Return a document as JSON, which is YAML too."""
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _entry_point(config: Config, bind: str, listen: int, grace: float) -> Json:
    point: Json = {
        "address": hostport(bind, listen),
        "transport": {
            "lifeCycle": {"graceTimeOut": f"{grace:g}s"},
            "respondingTimeouts": {"readTimeout": READ_TIMEOUT},
        },
    }
    if config.trusted_proxies:
        point["forwardedHeaders"] = {"trustedIPs": list(config.trusted_proxies)}
    return point


def _acme(config: Config, places: list[tuple[str, int]]) -> Json:
    """Return the resolver: by HTTP where something listens on 80, else over TLS on 443."""
    plain = [place for place in places if place[1] == 80]
    acme: Json = {"storage": "/data/acme.json"}
    acme |= {"httpChallenge": {"entryPoint": ids.entry_point(*plain[0])}} if plain else {"tlsChallenge": {}}
    acme |= {"email": config.acme_email} if config.acme_email else {}
    return acme | ({"caServer": config.acme_ca} if config.acme_ca else {})
