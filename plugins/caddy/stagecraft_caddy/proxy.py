"""The effectful half: five steps on a host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs
from stagecraft_container_proxy import draining, names, waiting
from stagecraft_container_proxy.keeper import Keeper
from stagecraft_container_proxy.sockets import split
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Proxy, ProxyRenderer, Route

from stagecraft_caddy import status
from stagecraft_caddy.config import Config
from stagecraft_caddy.converge import converge
from stagecraft_caddy.render import CaddyRenderer
from stagecraft_caddy.site import Site

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host


class Caddy(Proxy):
    """Receive requests by Caddy, in one container per host, and switch them without a reload.

    Each request reads its route's targets from a small file, so that a switch is the renaming of a file: no listener, connection or
    configuration is touched, and nothing is lost. Certificates are given, or issued by ACME.
    """

    name: ClassVar[str] = "caddy"
    Config: ClassVar[type[Config]] = Config
    Renderer: ClassVar[type[ProxyRenderer]] = CaddyRenderer
    lossless: ClassVar[bool] = True

    def ensure(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Make Caddy run with these listeners, the targets of the routes that it has left as they are."""
        site = self._site(ctx, host)
        told = site.running()
        converge(site, site.kept(routes, told), told)

    def switch(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Send new requests to the routes' targets; return once Caddy says so."""
        site = self._site(ctx, host)
        converge(site, routes, site.running())

    def serving(self, ctx: Context, host: Host) -> Mapping[str, tuple[str, ...]]:
        """Return route id to targets, from the files that Caddy reads, read by Caddy."""
        site = self._site(ctx, host)
        waiting.must_run(site.keeper)
        return dict(sorted(site.told().shown.items()))

    def drain(self, ctx: Context, host: Host, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
        """Wait until Caddy counts no request to the targets."""
        site = self._site(ctx, host)
        state = site.keeper.state()
        if state is None or not state.running:
            return ()
        return draining.wait(ctx, targets, deadline, lambda: _busy(site))

    def remove(self, ctx: Context, host: Host) -> None:
        """Stop Caddy and remove its container, volume and files."""
        site = self._site(ctx, host)
        site.keeper.remove(site.box().grace)
        site.machine.remove(site.folder)

    def _site(self, ctx: Context, host: Host) -> Site:
        return Site(ctx, host, self.config, Keeper(ctx, host, names.of(ctx, self.name)))


@attrs.frozen
class _Upstream:
    address: str
    requests: int


def _busy(site: Site) -> frozenset[tuple[str, int]]:
    """Return which addresses and ports Caddy counts requests to."""
    text = site.get(status.UPSTREAMS)
    try:
        found = [_Upstream(str(one["address"]), int(one["num_requests"])) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise ProviderError(
            f"caddy on {site.host.name} does not say how many requests are in flight: {text[:100]!r}",
            hint=f"see its log: docker logs {site.keeper.names.container}",
        ) from error
    return frozenset(
        split(one.address) for one in found if one.requests > 0 and one.address.rpartition(":")[2].isdigit()
    )
