"""How Caddy tells what it does: a small server on a loopback address, which can only be read. Pure.

It answers ``/`` from the same files and by the same means as requests are sent on with, and hands
``/reverse_proxy/upstreams`` to the administration socket, which only the container's own processes reach.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import attrs
from stagecraft_container_proxy.box import MOUNT
from stagecraft_container_proxy.names import filename
from stagecraft_hookspecs.proxy import Endpoint, Route

from stagecraft_caddy import targets

ADMIN = "unix//run/stagecraft-caddy.sock"
#: The variable of the container that says where the server listens: it depends on project and environment.
VARIABLE = "STAGECRAFT_STATUS"
PORT = 2019
UPSTREAMS = "/reverse_proxy/upstreams"


@attrs.frozen
class Told:
    """Hold what the proxy said: its configuration's digest, where it listens, and the targets per route."""

    config: str = ""
    places: frozenset[tuple[str, int]] = frozenset()
    targets: dict[str, tuple[Endpoint, ...]] = attrs.field(factory=dict)
    #: Whether it read the files; a Caddy before 2.8 gives their placeholders back as they are.
    able: bool = True
    #: Whether it closes clients' connections after their answers: a reload was begun.
    closing: bool = False
    slots: int = 0

    @property
    def shown(self) -> dict[str, tuple[str, ...]]:
        """Return route id to targets as ``address:port``."""
        return {route: targets.shown(found) for route, found in self.targets.items()}


def server(routes: tuple[Route, ...], config: str) -> dict[str, Any]:
    """Return the server."""
    lines = [f"config {config}"]
    lines += [f"listen {bind or '*'} {port}" for bind, port in sorted({(r.bind, r.listen) for r in routes})]
    lines += [
        f"route {quote(r.id, safe='')} {{file.{MOUNT}/targets/{filename(r.id)}}}" for r in routes if not r.redirect
    ]
    clean = {"request": {"delete": ["Origin", "X-Forwarded-Host"]}}
    upstreams = {
        "match": [{"path": [UPSTREAMS], "method": ["GET"]}],
        "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": ADMIN}], "headers": clean}],
        "terminal": True,
    }
    answer = {"handler": "static_response", "body": "\n".join(lines) + "\n"}
    return {
        "listen": [f"{{env.{VARIABLE}}}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [upstreams, {"handle": [answer]}],
    }


def parse(text: str) -> Told | None:
    """Return what the proxy said, or None where that is not its answer."""
    config, places, found, able, closing, slots = "", set(), {}, True, False, 0
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        first, _, last = rest.partition(" ")
        if word == "config":
            config = rest
        elif word == "listen" and last.isdigit():
            places.add(("" if first == "*" else first, int(last)))
        elif word == "route":
            able = able and not last.startswith("{")
            closing = closing or last.startswith(targets.CLOSE)
            slots = max(slots, len(last.split()) // 2)
            found[unquote(first)] = targets.endpoints(last)
    return Told(config, frozenset(places), found, able, closing, slots) if config else None
