"""Make Traefik run with routes and their targets: start it, write its file of routes, restart it only for listeners and ACME.

A step that is killed leaves the former configuration or the new one; whatever it is, the same step again ends in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stagecraft_container_proxy import names, ports, shipping, waiting
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import File

from stagecraft_traefik import dynamic, render, static
from stagecraft_traefik.site import STARTED_FILE, Site
from stagecraft_traefik.told import Told

#: Seconds within which Traefik takes a changed file over; it looks at once, and at most ten times a second.
TAKEOVER = 10.0
PAUSE = 0.05
TLS_FILE = "tls.sha256"


def converge(site: Site, routes: tuple[Route, ...], told: Told | None) -> None:
    """Make Traefik run with these routes, sending requests to their targets.

    Args:
        told: What the running Traefik said; None when it does not run.

    Raises:
        ProviderError: A stranger has a port, Traefik rejects the configuration, or does not start; the former routes stand.
    """
    open_routes = _without_held(site, routes, told)
    wanted = static.document(site.config, open_routes, site.address)
    routing = static.dumped(dynamic.document(open_routes))
    named = site.named(open_routes)
    former = shipping.current(site.machine, f"{site.folder}/{static.DYNAMIC_FILE}")
    site.machine.upload(named, site.folder)
    if told is None:
        _start(site, wanted, routing, named, open_routes, former)
        return
    if static.needs_restart(site.started(), wanted):
        _restart(site, wanted, max((r.grace for r in routes), default=static.GRACE))
    if former != routing or not _tells(told, open_routes) or (named and _loaded(site) != shipping.digest(named)):
        _route(site, routing, former, open_routes)
        _remember(site, named)
    _forget(site, set(told.targets) - {route.id for route in routes})


def _without_held(site: Site, routes: tuple[Route, ...], told: Told | None) -> tuple[Route, ...]:
    """Return the routes whose ports no container of this environment still publishes."""
    own = {(site.address, static.API_PORT)}
    mine = told.places | own if told else frozenset[tuple[str, int]]()
    held = ports.yielded(site.keeper, routes, mine, own)
    for _, port in sorted(held):
        site.ctx.log(f"port {port} goes to traefik once the container that has it is stopped", host=site.host.name)
    return tuple(route for route in routes if (route.bind, route.listen) not in held)


def _start(
    site: Site,
    wanted: dict[str, Any],
    routing: bytes,
    named: Mapping[str, File],
    routes: tuple[Route, ...],
    former: bytes | None,
) -> None:
    _write_static(site, wanted)
    site.machine.write(f"{site.folder}/{static.DYNAMIC_FILE}", routing)
    waiting.start(site.keeper, site.box(), site.told)
    _started(site, wanted)
    _confirm(site, routes, former)
    _remember(site, named)


def _restart(site: Site, wanted: dict[str, Any], grace: float) -> None:
    """Start the same container with another static configuration; where it does not come up, with the former again."""
    message = "traefik is restarted, because its listeners or ACME settings change: open connections are closed"
    site.ctx.log(message, level="warning", host=site.host.name)
    former = site.started()
    _write_static(site, wanted)
    site.machine.remove(f"{site.folder}/{STARTED_FILE}")
    site.keeper.restart(grace)
    if waiting.answer(site.keeper, site.told) is not None:
        _started(site, wanted)
        return
    detail = site.keeper.log()
    if former is not None:
        _write_static(site, former)
        site.keeper.restart(0)
        if waiting.answer(site.keeper, site.told) is not None:
            _started(site, former)
    raise ProviderError(
        f"traefik rejects the configuration of {site.host.name}",
        hint="its last lines are above; it was started again as it was",
        detail=detail,
    )


def _route(site: Site, routing: bytes, former: bytes | None, routes: tuple[Route, ...]) -> None:
    """Write the file of routes, and return once Traefik says that it has taken it over."""
    site.machine.write(f"{site.folder}/{static.DYNAMIC_FILE}", routing)
    _confirm(site, routes, former)


def _confirm(site: Site, routes: tuple[Route, ...], former: bytes | None) -> None:
    """Wait until Traefik tells the routes as they are wanted; if it does not, put the former file back."""
    until = site.ctx.monotonic() + TAKEOVER
    while True:
        told = site.told()
        if _tells(told, routes):
            if not told.faults:
                return
            break
        if site.ctx.monotonic() >= until:
            break
        site.ctx.sleep(PAUSE)
    detail = "\n".join(told.faults) or site.keeper.log()
    if former is not None:
        site.machine.write(f"{site.folder}/{static.DYNAMIC_FILE}", former)
    raise ProviderError(
        f"traefik does not take the routes of {site.host.name} over",
        hint="its own words are above; the routes stand as they were",
        detail=detail,
    )


def _tells(told: Told, routes: Iterable[Route]) -> bool:
    wanted = {r.id: () if r.redirect else tuple(sorted({dynamic.url(t) for t in r.targets})) for r in routes}
    return wanted == {route: tuple(dynamic.url(t) for t in found) for route, found in told.targets.items()}


def _write_static(site: Site, document: dict[str, Any]) -> None:
    site.machine.write(f"{site.folder}/{render.STATIC_FILE}", static.dumped(document))


def _started(site: Site, document: dict[str, Any]) -> None:
    site.machine.write(f"{site.folder}/{STARTED_FILE}", static.dumped(document))


def _remember(site: Site, named: Mapping[str, File]) -> None:
    if named:
        site.machine.upload({TLS_FILE: File(shipping.digest(named).encode())}, site.folder)


def _loaded(site: Site) -> str:
    return (shipping.current(site.machine, f"{site.folder}/{TLS_FILE}") or b"").decode(errors="replace")


def _forget(site: Site, gone: Iterable[str]) -> None:
    """Remove the certificates of routes that there are no more."""
    for name in sorted(names.filename(route) for route in gone):
        for path in (f"tls/{name}.crt", f"tls/{name}.key"):
            site.machine.remove(f"{site.folder}/{path}")
