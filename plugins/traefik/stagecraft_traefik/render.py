"""The pure half: routes to Traefik's two files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.proxy import ProxyRenderer, Route
from stagecraft_hookspecs.values import File

from stagecraft_traefik import dynamic, static
from stagecraft_traefik.config import Config

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Finding

STATIC_FILE = "traefik.yml"


class TraefikRenderer(ProxyRenderer):
    """Describe Traefik's configuration."""

    def render(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return ``traefik.yml`` and ``dynamic.yml``. On a host the API listens on the environment's own address."""
        config = self.config if isinstance(self.config, Config) else Config()
        return {
            STATIC_FILE: File(static.dumped(static.document(config, routes))),
            static.DYNAMIC_FILE: File(static.dumped(dynamic.document(routes))),
        }

    def findings(self, routes: tuple[Route, ...]) -> tuple[Finding, ...]:
        """Return what Traefik cannot do with these routes, or does in another way."""
        from stagecraft_traefik.findings import findings

        return findings(routes)
