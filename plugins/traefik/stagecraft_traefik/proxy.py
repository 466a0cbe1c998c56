"""The effectful half: five steps on a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from stagecraft_container_proxy import draining, names, sockets, waiting
from stagecraft_container_proxy.keeper import Keeper
from stagecraft_hookspecs.proxy import Endpoint, Proxy, ProxyRenderer, Route

from stagecraft_traefik.config import Config
from stagecraft_traefik.converge import converge
from stagecraft_traefik.render import TraefikRenderer
from stagecraft_traefik.site import Site

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host


class Traefik(Proxy):
    """Receive requests by Traefik, in one container per host, from a file of routes that it watches.

    A switch is the renaming of that file: Traefik exchanges its routes and leaves listeners and connections open. Certificates are
    given, or issued by ACME. Traefik counts no requests per server, so drain counts the host's connections to the target.
    """

    name: ClassVar[str] = "traefik"
    Config: ClassVar[type[Config]] = Config
    Renderer: ClassVar[type[ProxyRenderer]] = TraefikRenderer
    lossless: ClassVar[bool] = True

    def ensure(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Make Traefik run with these listeners, the targets of the routes that it has left as they are."""
        site = self._site(ctx, host)
        told = site.running()
        converge(site, site.kept(routes, told), told)

    def switch(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Send new requests to the routes' targets; return once Traefik says so."""
        site = self._site(ctx, host)
        converge(site, routes, site.running())

    def serving(self, ctx: Context, host: Host) -> Mapping[str, tuple[str, ...]]:
        """Return route id to targets, as Traefik's API tells; redirects have none and are left out."""
        site = self._site(ctx, host)
        waiting.must_run(site.keeper)
        told = site.told()
        return {
            route: tuple(names.hostport(target.address, target.port) for target in found)
            for route, found in told.targets.items()
            if route not in told.redirects
        }

    def drain(self, ctx: Context, host: Host, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
        """Wait until the host has no connection to the targets; idle ones close after a second."""
        site = self._site(ctx, host)
        state = site.keeper.state()
        if state is None or not state.running:
            return ()
        return draining.wait(ctx, targets, deadline, lambda: frozenset(sockets.connections(site.machine)))

    def remove(self, ctx: Context, host: Host) -> None:
        """Stop Traefik and remove its container, volume and files."""
        site = self._site(ctx, host)
        site.keeper.remove(site.box().grace)
        site.machine.remove(site.folder)

    def _site(self, ctx: Context, host: Host) -> Site:
        return Site(ctx, host, self.config, Keeper(ctx, host, names.of(ctx, self.name)))
