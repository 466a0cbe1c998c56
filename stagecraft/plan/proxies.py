"""What the plan says of an environment's proxy: what it cannot do, what it loses, and which ports stay out of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from stagecraft_hookspecs.values import Finding, Severity

from stagecraft.plan.deployment import proxied
from stagecraft.plan.routes import published

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Proxy
    from stagecraft_hookspecs.runtime import Deployment

    from stagecraft.project import Project


def findings(project: Project, deployment: Deployment) -> Iterator[Finding]:
    """Yield findings in no order; none where no proxy is chosen."""
    if not project.has("proxy"):
        return
    chosen = project.config.providers["proxy"]
    if not proxied(project):
        runtime = project.config.providers["runtime"].name
        yield Finding(
            "proxy-unused",
            Severity.ERROR,
            f"runtime {runtime!r} serves its ports itself, so that proxy {chosen.name!r} has nothing to send requests to",
            "leave `proxy` out of this environment, or choose a runtime whose instances it can reach",
        )
        return
    cls = cast("type[Proxy]", chosen.cls)
    routes = {r.id: r for s in deployment.services for r in s.routes}
    if not routes:
        yield Finding(
            "proxy-without-routes",
            Severity.WARNING,
            f"proxy {chosen.name!r} has no route: no service publishes an HTTP port",
            "publish the port in the compose file, or set `services: {NAME: {proxy: {port: …, listen: …}}}`",
        )
    elif not cls.lossless:
        yield Finding(
            "proxy-loses",
            Severity.WARNING,
            f"proxy {chosen.name!r} can lose requests that are under way while a release takes over",
            "its page says which and how many",
            tuple(sorted({r.service for r in routes.values()})),
        )
    with project.blamed():
        yield from cls.Renderer(chosen.config).findings(tuple(r for _, r in sorted(routes.items())))
    for service in deployment.services:
        for port in published(service.definition):
            yield Finding(
                "port-beside-proxy",
                Severity.INFO,
                f"port {port.listen} of {service.name} is published by its container, not by the proxy",
                f"to have it go through the proxy, set `services: {{{service.name}: {{proxy: true}}}}`",
                (service.name,),
                ("services", service.name, "ports"),
            )
