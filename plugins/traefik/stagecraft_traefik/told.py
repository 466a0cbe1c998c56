"""What a running Traefik says at ``/api/rawdata``. Pure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import attrs
from stagecraft_container_proxy.sockets import split
from stagecraft_hookspecs.proxy import Endpoint

from stagecraft_traefik import ids

PATH = "/api/rawdata"
ENTRY_POINTS = "/api/entrypoints"


@attrs.frozen
class Told:
    """Hold what Traefik said.

    Attributes:
        targets: Route id to targets; redirecting routes are among them, without any.
        redirects: Ids of the routes that redirect.
        places: Addresses (empty: all) and ports that it listens on.
        faults: What it finds wrong with routers, services and middlewares.
    """

    targets: dict[str, tuple[Endpoint, ...]]
    redirects: frozenset[str] = frozenset()
    places: frozenset[tuple[str, int]] = frozenset()
    faults: tuple[str, ...] = ()


def parse(rawdata: str, entry_points: str) -> Told | None:
    """Return what Traefik said at both paths, or None where that is not its answer."""
    try:
        data, points = json.loads(rawdata), json.loads(entry_points)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(points, list):
        return None
    faults = [
        f"{kind[:-1]} {ids.id_of(name)}: {fault}"
        for kind in ("routers", "services", "middlewares")
        for name, one in _own(data.get(kind)).items()
        for fault in one.get("error") or ()
    ]
    addresses = [str(point.get("address", "")) for point in points if isinstance(point, dict)]
    places = {split(address) for address in addresses if address.rpartition(":")[2].isdigit()}
    return Told(_targets_of(data), _redirects(data), frozenset(places), tuple(sorted(faults)))


def of_file(dynamic: bytes | None) -> Told:
    """Return what a file of routes, which Traefik would read, says of targets; nothing where there is none."""
    try:
        http = json.loads(dynamic or b"")["http"]
    except (ValueError, KeyError, TypeError):
        return Told({})
    services = http.get("services") if isinstance(http, dict) else None
    found = services.items() if isinstance(services, dict) else ()
    return Told(_targets_of({"services": {f"{name}{ids.PROVIDER}": service for name, service in found}}))


def _targets_of(data: dict[str, Any]) -> dict[str, tuple[Endpoint, ...]]:
    services = _own(data.get("services"))
    return dict(sorted((ids.id_of(name), _targets(service)) for name, service in services.items()))


def _redirects(data: dict[str, Any]) -> frozenset[str]:
    """Return the routes one of whose middlewares is their own redirect."""
    found = _own(data.get("middlewares"))
    redirecting = [name for name, one in found.items() if "redirectScheme" in one or "redirectRegex" in one]
    return frozenset(ids.id_of(name.removesuffix(ids.PROVIDER).removesuffix("-redirect")) for name in redirecting)


def _own(found: Any) -> dict[str, dict[str, Any]]:
    """Return those entries that the file names; the others are Traefik's own."""
    items = found.items() if isinstance(found, dict) else ()
    return {name: one for name, one in items if name.endswith(ids.PROVIDER) and isinstance(one, dict)}


def _targets(service: dict[str, Any]) -> tuple[Endpoint, ...]:
    servers = (service.get("loadBalancer") or {}).get("servers") or ()
    parts = [urlsplit(str(server.get("url", ""))) for server in servers if isinstance(server, dict)]
    return tuple(sorted(Endpoint(part.hostname, part.port or 80) for part in parts if part.hostname))
