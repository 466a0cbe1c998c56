"""Caddy on one host: where its parts are, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from stagecraft_container_proxy import ask, names, shipping, waiting
from stagecraft_container_proxy.box import MOUNT, Box
from stagecraft_container_proxy.keeper import Keeper
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Route
from stagecraft_hookspecs.values import File

from stagecraft_caddy import render, status, targets
from stagecraft_caddy.config import Config
from stagecraft_caddy.status import Told

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.values import Host


@attrs.frozen
class Site:
    """Hold one environment's Caddy on one host."""

    ctx: Context
    host: Host
    config: Config
    keeper: Keeper

    @property
    def machine(self) -> Machine:
        """Return the host."""
        return self.ctx.machine(self.host)

    @property
    def folder(self) -> str:
        """Return the folder with the proxy's files."""
        return f"{self.ctx.home(self.host)}/proxy/caddy"

    @property
    def address(self) -> str:
        """Return where Caddy tells what it does."""
        return names.hostport(self.keeper.names.loopback, status.PORT)

    def box(self, *command: str) -> Box:
        """Return what the container is made of."""
        run = ("caddy", "run", "--config", f"{MOUNT}/{render.CONFIG_FILE}")
        return Box(self.config.image, command or run, self.folder, "/data", {status.VARIABLE: self.address})

    def get(self, path: str) -> str:
        """Return what Caddy answers there."""
        return ask.get(self.keeper, self.keeper.names.loopback, status.PORT, path)

    def told(self) -> Told:
        """Return what the running Caddy says; raises ProviderError when it does not answer."""
        told = status.parse(self.get("/"))
        if told is None:
            raise ProviderError(
                f"what answers at {self.address} on {self.host.name} is not Stagecraft's Caddy",
                hint=f"see what listens there: ss -ltnp 'src {self.address}'",
            )
        return told

    def running(self) -> Told | None:
        """Return what Caddy says, or None when it does not run; one that is just starting is waited for."""
        return waiting.running(self.keeper, self.box(), self.told)

    def kept(self, routes: tuple[Route, ...], told: Told | None) -> tuple[Route, ...]:
        """Return the routes with the targets that the proxy has for them, running or not; new ones with their own."""
        found = {r.id: self._targets(r, told) for r in routes}
        return tuple(r if (has := found[r.id]) is None else attrs.evolve(r, targets=has) for r in routes)

    def _targets(self, route: Route, told: Told | None) -> tuple[Endpoint, ...] | None:
        if told:
            return told.targets.get(route.id)
        line = shipping.current(self.machine, f"{self.folder}/{render.target_file(route)}")
        return None if line is None else targets.endpoints(line.decode(errors="replace"))

    def named(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return the files that routes and configuration name: certificates, keys, pages."""
        found = dict(shipping.named(self.ctx.root, routes))
        if self.config.acme_ca_root:
            found[render.ACME_ROOT] = File(shipping.read(self.ctx.root, self.config.acme_ca_root))
        return found
