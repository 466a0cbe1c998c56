"""Where an environment's services answer, as far as configuration and compose file tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.values import LOCAL

from stagecraft.plan.deployment import make_deployment
from stagecraft.plan.routes import HTTP, HTTPS, published

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.values import Host

    from stagecraft.project import Project


def addresses(project: Project) -> Iterator[str]:
    """Yield ``web: http://127.0.0.1:8080``, by service; of several hosts the first, and how many more there are."""
    deployment = make_deployment(project)
    for service in deployment.services:
        hosts = [h for h in deployment.hosts if h.name in service.hosts]
        others = len(hosts) - 1
        more = f" (and {others} more host{'s' if others > 1 else ''})" if others else ""
        for route in service.routes:
            if route.redirect:
                continue
            if route.hosts:
                yield from (f"{service.name}: {_url(route, name)}" for name in route.hosts)
            else:
                yield f"{service.name}: {_url(route, _address(hosts[0], route.bind))}{more}"
        for port in published(service.definition):
            yield f"{service.name}: http://{_address(hosts[0], port.bind)}:{port.listen}{more}"


def _url(route: Route, name: str) -> str:
    scheme, usual = ("https", HTTPS) if route.tls != "off" else ("http", HTTP)
    port = "" if route.listen == usual else f":{route.listen}"
    return f"{scheme}://{name}{port}{route.path if route.path != '/' else ''}"


def _address(host: Host, bind: str) -> str:
    found = bind or ("127.0.0.1" if host.name == LOCAL.name else host.address or host.name)
    return f"[{found}]" if ":" in found else found
