"""The proxy ``haproxy``: five steps per host, each a function in ``steps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.proxy import Endpoint, Proxy, Route

from stagecraft_haproxy.config import Config
from stagecraft_haproxy.render import HaproxyRenderer

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host


class Haproxy(Proxy):
    """Run HAProxy in a container per host, and switch its targets by its runtime API: no request is lost."""

    name = "haproxy"
    Config = Config
    Renderer = HaproxyRenderer

    def ensure(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Start the proxy, or give the running one another structure by a seamless reload."""
        from stagecraft_haproxy import site, steps

        steps.ensure(site.open_site(ctx, host, self.config), routes)

    def switch(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Let new targets in and old ones out in the running proxy, then write down what a restarted one begins with."""
        from stagecraft_haproxy import site, steps

        steps.switch(site.open_site(ctx, host, self.config), routes)

    def serving(self, ctx: Context, host: Host) -> Mapping[str, tuple[str, ...]]:
        """Ask the running proxy which servers take requests."""
        from stagecraft_haproxy import site, steps

        return steps.serving(site.open_site(ctx, host, self.config))

    def drain(self, ctx: Context, host: Host, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
        """Wait until the targets have no request, stream or WebSocket in flight; idle connections count for nothing."""
        from stagecraft_haproxy import site, steps

        return steps.drain(site.open_site(ctx, host, self.config), targets, deadline)

    def remove(self, ctx: Context, host: Host) -> None:
        """Stop and remove the container and its files."""
        from stagecraft_haproxy import site, steps

        steps.remove(site.open_site(ctx, host, self.config))
