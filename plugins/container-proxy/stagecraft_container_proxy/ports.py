"""Which ports a proxy cannot have now, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError

from stagecraft_container_proxy import names, sockets
from stagecraft_container_proxy.engine import call
from stagecraft_container_proxy.sockets import Listener

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route

    from stagecraft_container_proxy.keeper import Keeper

Place = tuple[str, int]


@attrs.frozen
class Holder:
    """Say who has a port, and whether that is a container of the same environment, which a release will stop."""

    who: str
    own: bool = False


def places(routes: Iterable[Route]) -> frozenset[Place]:
    """Return the addresses (empty: all) and ports that routes listen on."""
    return frozenset((route.bind, route.listen) for route in routes)


def yielded(
    keeper: Keeper, routes: tuple[Route, ...], mine: Iterable[Place], also: Iterable[Place] = ()
) -> frozenset[Place]:
    """Return the places that containers of this same environment still publish: the proxy has them once they are stopped.

    Args:
        mine: What the running proxy listens on.
        also: Further places that the proxy needs.

    Raises:
        ProviderError: A stranger has one of the ports.
    """
    own = frozenset(mine)
    wanted = (places(routes) | frozenset(also)) - own
    held = holders(keeper, wanted, routes, own) if wanted else {}
    for (address, port), holder in sorted(held.items()):
        if not holder.own:
            where = names.hostport(address, port) if address else f"port {port}"
            raise ProviderError(
                f"{where} on {keeper.host.name} is taken by {holder.who}",
                hint="stop that, or let the proxy listen elsewhere: services.NAME.proxy.listen",
            )
    return frozenset(held)


def holders(
    keeper: Keeper, wanted: Iterable[Place], routes: tuple[Route, ...], mine: frozenset[Place]
) -> dict[Place, Holder]:
    """Return who else has which of the wanted places; those that are free, or the proxy's own, are left out."""
    seen = sockets.listeners(keeper.ctx.machine(keeper.host))
    listening = [one for one in seen if (one.address, one.port) not in mine]
    taken = {place: found for place in wanted if (found := next((one for one in listening if one.meets(*place)), None))}
    if not taken:
        return {}
    containers = call("list containers", lambda: keeper.client.api.containers())
    return {place: _holder(keeper, place, listener, containers, routes) for place, listener in taken.items()}


def _holder(
    keeper: Keeper, place: Place, listener: Listener, containers: list[dict[str, Any]], routes: tuple[Route, ...]
) -> Holder:
    for container in containers:
        if any(entry.get("PublicPort") == place[1] for entry in container.get("Ports") or ()):
            name = (container.get("Names") or ["?"])[0].lstrip("/")
            return Holder(f"the container {name}", _own(keeper, container.get("Labels") or {}, place, routes))
    return Holder(listener.process or "another process")


def _own(keeper: Keeper, labels: dict[str, str], place: Place, routes: tuple[Route, ...]) -> bool:
    """Tell whether a container is of this environment: by the runtime's labels or, before the first release, by compose's."""
    project, environment = keeper.names.project, keeper.names.environment
    if labels.get(names.RUNTIME_PROJECT) == project and labels.get(names.RUNTIME_ENVIRONMENT) == environment:
        return True
    services = {route.service for route in routes if (route.bind, route.listen) == place}
    compose = {names.slug(project), names.slug(f"{project}-{environment}")}
    return labels.get("com.docker.compose.project") in compose and labels.get("com.docker.compose.service") in services
