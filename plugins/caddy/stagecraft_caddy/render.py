"""The pure half: routes to ``caddy.json`` and one file of targets per route."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_container_proxy.box import MOUNT
from stagecraft_container_proxy.names import filename, hostport
from stagecraft_hookspecs.proxy import ProxyRenderer, Route
from stagecraft_hookspecs.values import File

from stagecraft_caddy import handlers, status, targets
from stagecraft_caddy.config import Config

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Finding

Json = dict[str, Any]
CONFIG_FILE = "caddy.json"
ACME_ROOT = "tls/acme-root.pem"
GRACE = 10.0


class CaddyRenderer(ProxyRenderer):
    """Describe Caddy's configuration. Targets are not part of it."""

    def render(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return ``caddy.json`` and ``targets/ROUTE``."""
        count = targets.slots(routes)
        files = {CONFIG_FILE: File(self._document(routes, count))}
        return files | {
            target_file(route): File(targets.line(route.targets, count)) for route in routes if not route.redirect
        }

    def findings(self, routes: tuple[Route, ...]) -> tuple[Finding, ...]:
        """Return what Caddy cannot do with these routes, or does in another way."""
        from stagecraft_caddy.findings import findings

        return findings(routes)

    def _document(self, routes: tuple[Route, ...], count: int) -> bytes:
        config = self.config if isinstance(self.config, Config) else Config()
        document = _document(config, tuple(sorted(routes, key=lambda r: r.id)), count)
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        document["apps"]["http"]["servers"]["status"] = status.server(routes, digest)
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def digest_of(config: bytes) -> str:
    """Return the digest by which a running Caddy names the configuration ``caddy.json``."""
    document = json.loads(config)
    told = status.parse(document["apps"]["http"]["servers"]["status"]["routes"][1]["handle"][0]["body"])
    return told.config if told else ""


def target_file(route: Route) -> str:
    """Return where a route's targets stand, relative to the proxy's folder."""
    return f"targets/{filename(route.id)}"


def _document(config: Config, routes: tuple[Route, ...], count: int) -> Json:
    grace = max((route.grace for route in routes), default=GRACE)
    servers = {
        hostport(bind or "any", listen): _server(config, bind, listen, routes, count)
        for bind, listen in sorted({(r.bind, r.listen) for r in routes})
    }
    apps: Json = {"http": {"grace_period": f"{grace:g}s", "servers": servers}}
    if secure := [route for route in routes if route.tls != "off"]:
        apps["tls"] = _tls(config, secure)
    return {
        "admin": {"listen": status.ADMIN, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "storage": {"module": "file_system", "root": "/data"},
        "apps": apps,
    }


def _server(config: Config, bind: str, listen: int, routes: tuple[Route, ...], count: int) -> Json:
    mine = [r for r in routes if (r.bind, r.listen) == (bind, listen)]
    server: Json = {
        "listen": [hostport(bind, listen)],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},  # each route says itself what it wants
        "routes": handlers.blocks(mine, routes, count),
    }
    if config.trusted_proxies:
        server["trusted_proxies"] = {"source": "static", "ranges": list(config.trusted_proxies)}
    if secure := [r for r in mine if r.tls != "off"]:
        server["tls_connection_policies"] = _policies(secure)
    return server


def _policies(routes: list[Route]) -> list[Json]:
    """Return which certificate a connection gets: a route's own by the name that the client asks for."""
    given = sorted((r for r in routes if r.tls == "given"), key=lambda r: (not r.hosts, r.id))
    policies: list[Json] = [
        {
            **({"match": {"sni": list(r.hosts)}} if r.hosts else {}),
            "certificate_selection": {"any_tag": [filename(r.id)]},
        }
        for r in given
    ]
    return policies if policies and "match" not in policies[-1] else [*policies, {}]


def _tls(config: Config, routes: list[Route]) -> Json:
    certificates: Json = {}
    if given := [r for r in routes if r.tls == "given"]:
        certificates["load_files"] = [
            {"certificate": certificate_path(r), "key": key_path(r), "tags": [filename(r.id)]} for r in given
        ]
    tls: Json = {"certificates": certificates}
    if names := sorted({host for r in routes if r.tls == "acme" for host in r.hosts}):
        certificates["automate"] = names
        tls["automation"] = {"policies": [{"subjects": names, **_issuer(config)}]}
    return tls


def _issuer(config: Config) -> Json:
    issuer: Json = {}
    if config.acme_email:
        issuer["email"] = config.acme_email
    if config.acme_ca:
        issuer["ca"] = config.acme_ca
    if config.acme_ca_root:
        issuer["trusted_roots_pem_files"] = [f"{MOUNT}/{ACME_ROOT}"]
    return {"issuers": [{"module": "acme", **issuer}]} if issuer else {}


def certificate_path(route: Route) -> str:
    """Return where a route's certificate appears in the container."""
    return f"{MOUNT}/tls/{filename(route.id)}.crt"


def key_path(route: Route) -> str:
    """Return where a route's key appears in the container."""
    return f"{MOUNT}/tls/{filename(route.id)}.key"
