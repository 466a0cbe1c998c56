"""Measure a release's routes on every host while it takes over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import StagecraftError

from stagecraft.run.meter import Meter, Probe

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.runtime import Deployment
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext


class Metering:
    """Hold the meter of one run: nothing without routes.

    Args:
        deployment: Whose routes are asked; None measures nothing.
    """

    def __init__(self, deployment: Deployment | None = None) -> None:
        self._deployment = deployment
        self._meter: Meter | None = None
        self._open = contextlib.ExitStack()
        self._stopped: dict[str, Any] = {}

    def start(self, ctx: RunContext) -> None:
        """Begin to ask every route on every host. A host that cannot be asked is said and left out: measuring fails no deploy."""
        if self._deployment is None or self._meter is not None:
            return
        probes = []
        for host in self._deployment.hosts:
            try:
                probes += self._probes(ctx, host)
            except StagecraftError as error:
                # nothing listens there before the first release
                ctx.log(f"its routes are not measured: {error.message}", level="debug", host=host.name)
        if probes:
            self._meter = Meter(probes, ctx.monotonic)
            self._meter.start()

    def stop(self) -> dict[str, Any]:
        """Stop asking and return what was seen; empty when nothing was measured. Safe to repeat."""
        if self._meter is not None:
            self._stopped = self._meter.stop()
            self._meter = None
            self._open.close()
        return self._stopped

    def down(self) -> tuple[str, ...]:
        """Return the routes that have failed several times in a row, as ``ROUTE on HOST``, sorted."""
        return tuple(sorted(f"{p.route} on {p.host}" for p in self._meter.down())) if self._meter else ()

    def _probes(self, ctx: RunContext, host: Host) -> list[Probe]:
        assert self._deployment is not None
        reached: dict[tuple[str, int], tuple[str, int]] = {}
        found = []
        for route in self._deployment.routes_on(host.name):
            if route.redirect or route.tls == "acme":
                # a certificate may still be on its way; whether it comes is not the release's doing
                continue
            where = (route.bind or "127.0.0.1", route.listen)
            if where not in reached:
                reached[where] = self._reach(ctx, host, where)
            address, port = reached[where]
            name = route.hosts[0] if route.hosts else ""
            found.append(Probe(route.id, host.name, address, port, _path(route), name, route.tls != "off"))
        return found

    def _reach(self, ctx: RunContext, host: Host, where: tuple[str, int]) -> tuple[str, int]:
        machine = ctx.machine(host)
        if not hasattr(machine, "forward"):
            return where
        address: tuple[str, int] = self._open.enter_context(machine.forward(*where))
        return address


def _path(route: Route) -> str:
    return route.check or (route.path if route.path.startswith("/") else "/")
