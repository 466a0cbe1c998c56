"""Traefik on one host: where its parts are, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_container_proxy import ask, names, shipping, waiting
from stagecraft_container_proxy.box import MOUNT, Box
from stagecraft_container_proxy.keeper import Keeper
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import File

from stagecraft_traefik import render, static, told
from stagecraft_traefik.config import Config
from stagecraft_traefik.told import Told

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context, Machine
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.values import Host

ACME_ROOT = "tls/acme-root.pem"
#: Written once Traefik answers after a start: what it was started with.
STARTED_FILE = "started.json"


@attrs.frozen
class Site:
    """Hold one environment's Traefik on one host."""

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
        return f"{self.ctx.home(self.host)}/proxy/traefik"

    @property
    def address(self) -> str:
        """Return the address on which Traefik tells what it does."""
        return self.keeper.names.loopback

    def box(self) -> Box:
        """Return what the container is made of."""
        command = ("traefik", f"--configFile={MOUNT}/{render.STATIC_FILE}")
        # the ACME library reads this; the key of the file would need a newer Traefik
        root = {"LEGO_CA_CERTIFICATES": f"{MOUNT}/{ACME_ROOT}"} if self.config.acme_ca_root else {}
        return Box(self.config.image, command, self.folder, "/data", root)

    def told(self) -> Told:
        """Return what the running Traefik says; raises ProviderError when it does not answer."""
        where = names.hostport(self.address, static.API_PORT)
        said = told.parse(
            ask.get(self.keeper, self.address, static.API_PORT, told.PATH),
            ask.get(self.keeper, self.address, static.API_PORT, told.ENTRY_POINTS),
        )
        if said is None:
            raise ProviderError(
                f"what answers at {where} on {self.host.name} is not Stagecraft's Traefik",
                hint=f"see what listens there: ss -ltnp 'src {where}'",
            )
        return said

    def running(self) -> Told | None:
        """Return what Traefik says, or None when it does not run; one that is just starting is waited for."""
        return waiting.running(self.keeper, self.box(), self.told)

    def kept(self, routes: tuple[Route, ...], said: Told | None) -> tuple[Route, ...]:
        """Return the routes with the targets that the proxy has for them, running or not; new ones with their own."""
        has = said or told.of_file(shipping.current(self.machine, f"{self.folder}/{static.DYNAMIC_FILE}"))
        return tuple(attrs.evolve(r, targets=has.targets.get(r.id, r.targets)) for r in routes)

    def named(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return the files that routes and configuration name: certificates and keys; Traefik sends no page."""
        found = dict(shipping.named(self.ctx.root, (attrs.evolve(route, page="") for route in routes)))
        if self.config.acme_ca_root:
            found[ACME_ROOT] = File(shipping.read(self.ctx.root, self.config.acme_ca_root))
        return found

    def started(self) -> dict[str, Any] | None:
        """Return the static configuration that the running Traefik was started with; None where that is not known."""
        data = shipping.current(self.machine, f"{self.folder}/{STARTED_FILE}")
        try:
            found = json.loads(data or b"")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None
