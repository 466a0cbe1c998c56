"""The operations that every deploy has: images, migrations, and the runtime's steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.runtime import Deployment, Draft, Service
from stagecraft_hookspecs.values import LOCAL, Operation, Phase

from stagecraft.plan.deployment import proxied
from stagecraft.plan.vantage import vantage

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route

    from stagecraft.project import Project

KERNEL = "stagecraft"


def base_operations(
    project: Project, deployment: Deployment, draft: Draft, selected: frozenset[str]
) -> Iterator[Operation]:
    """Yield the kernel's and the runtime's own operations, in no order."""
    chosen = [s for s in deployment.services if s.name in selected]
    yield from _preflight(project, deployment, selected)
    if project.runtime_class.images:
        yield from _images(project, chosen)
    for operation in draft.operations:
        if not operation.services or selected.intersection(operation.services):
            yield operation
    yield from _migrations(project, Phase.MIGRATE_PRE)
    yield from _rollout(project, deployment, draft, selected)
    yield from _migrations(project, Phase.MIGRATE_POST)
    runtime = project.config.providers["runtime"].name
    for host in deployment.hosts:
        yield Operation(
            f"retire:{host.name}",
            Phase.FINALIZE,
            "runtime.retire",
            runtime,
            _on(deployment, host.name, selected),
            (host.name,),
            description=f"drain and stop what was replaced on {host.name}, remove what has expired",
            inputs={"keep": project.config.rollout.keep},
        )


def _preflight(project: Project, deployment: Deployment, selected: frozenset[str]) -> Iterator[Operation]:
    """Yield a check per host where there are hosts to reach; this machine alone is checked by the runtime as it goes."""
    if all(h.name == LOCAL.name for h in deployment.hosts):
        return
    for host in deployment.hosts:
        yield Operation(
            f"preflight:{host.name}",
            Phase.BUILD,
            "runtime.preflight",
            project.config.providers["runtime"].name,
            _on(deployment, host.name, selected),
            (host.name,),
            description=f"reach {host.name}, check its engine, space, ports and clock",
        )


def proxy_operations(deployment: Deployment, proxy: str) -> Iterator[Operation]:
    """Yield what makes the proxy ready on every host that has routes."""
    for host in deployment.hosts:
        routes = deployment.routes_on(host.name)
        if routes:
            listens = ", ".join(str(n) for n in sorted({r.listen for r in routes}))
            yield Operation(
                f"proxy:{host.name}",
                Phase.ROLLOUT,
                "proxy.ensure",
                proxy,
                tuple(sorted({r.service for r in routes})),
                (host.name,),
                description=f"make sure that {proxy} runs on {host.name} and listens on {listens}",
                inputs={"routes": [show_route(r) for r in routes]},
            )


def show_route(route: Route) -> str:
    """Return a route as a plan shows it: ``https://shop.example.com:443/api -> api:8000``."""
    names = ",".join(route.hosts) or route.bind or "*"
    scheme = "https" if route.tls != "off" else "http"
    to = f"redirect to {route.redirect}" if route.redirect else f"{route.service}:{route.port}"
    return f"{scheme}://{names}:{route.listen}{route.path} -> {to}"


def _images(project: Project, services: list[Service]) -> Iterator[Operation]:
    for service in services:
        assert service.image is not None
        if service.build is not None:
            build = service.build
            yield Operation(
                f"build:{service.name}",
                Phase.BUILD,
                "image.build",
                KERNEL,
                (service.name,),
                description=f"build {service.image.name} from {build.context}",
                inputs={
                    "image": service.image.name,
                    "context": build.context,
                    "dockerfile": "inline" if build.dockerfile_inline else build.dockerfile,
                    **({"target": build.target} if build.target else {}),
                },
            )
            if project.config.registry:
                yield Operation(
                    f"push:{service.name}",
                    Phase.PUSH,
                    "image.push",
                    KERNEL,
                    (service.name,),
                    description=f"push {service.image.name}",
                    inputs={"image": service.image.name, "registry": project.config.registry},
                )
        else:
            yield Operation(
                f"pin:{service.name}",
                Phase.PUSH,
                "image.pin",
                KERNEL,
                (service.name,),
                description=f"find the digest of {service.image.name}, pulling it if it is missing",
                inputs={"image": service.image.name},
            )


def _migrations(project: Project, phase: Phase) -> Iterator[Operation]:
    for name, database in sorted(project.config.databases.items()):
        if database.engine is None or database.strategy == "manual":
            continue
        migrations = project.migrations(name)
        # the raw strategy says when a database's migrations run; a file may mark itself to run after the rollout
        post = phase is Phase.MIGRATE_POST
        if database.strategy == "post_deploy":
            mine = migrations if post else ()
        else:
            mine = tuple(m for m in migrations if m.post is post)
        opaque = not migrations and (database.strategy == "post_deploy") is post
        if not mine and not opaque:
            continue
        needs: tuple[str, ...] = ()
        if database.service and not post:
            needs = (f"start:{database.service}",)
            yield Operation(
                needs[0],
                phase,
                "service.start",
                project.config.providers["runtime"].name,
                (database.service,),
                description=f"make sure that {database.service} runs before it is migrated",
                inputs={"service": database.service},
            )
        count = f"{len(mine)} known" if mine else "those its tool finds"
        host = vantage(project, name)
        yield Operation(
            f"migrate{'-post' if post else ''}:{name}",
            phase,
            "migration.apply",
            database.engine.name,
            (database.service,) if database.service else (),
            (host.name,) if host else (),
            needs,
            f"apply what is pending of {name}'s migrations ({count})" + (f" from {host.name}" if host else ""),
            {
                "database": name,
                **({"from": host.name} if host else {}),
                "connection_env": database.connection_env,
                "migrations": [{"name": m.name, "checksum": m.checksum} for m in mine],
            },
        )


def _rollout(project: Project, deployment: Deployment, draft: Draft, selected: frozenset[str]) -> Iterator[Operation]:
    runtime = project.config.providers["runtime"].name
    hosts = [h.name for h in deployment.hosts]
    proxies = tuple(proxy_operations(deployment, project.config.providers["proxy"].name)) if proxied(project) else ()
    yield from proxies
    orders = {name: policy.order.value for name, policy in sorted(draft.policies.items())}
    for host in hosts:
        services = _on(deployment, host, selected)
        yield Operation(
            f"prepare:{host}",
            Phase.ROLLOUT,
            "runtime.prepare",
            runtime,
            services,
            (host,),
            description=f"ship the release to {host}, start beside the old what may, and wait until it is healthy",
            inputs={"files": sorted(draft.files.get(host, {})), "order": {s: orders.get(s, "") for s in services}},
        )
        yield Operation(
            f"switch:{host}",
            Phase.ROLLOUT,
            "runtime.switch",
            runtime,
            services,
            (host,),
            (*(f"prepare:{h}" for h in hosts), *(o.id for o in proxies)),
            f"make the new release serve on {host}",
        )
    soak = project.config.rollout.soak
    if soak:
        yield Operation(
            "soak",
            Phase.ROLLOUT,
            "rollout.soak",
            KERNEL,
            tuple(sorted(selected)),
            tuple(hosts),
            tuple(f"switch:{h}" for h in hosts),
            f"watch the new release for {soak:g} s while the old one is still there",
            {"seconds": soak},
        )


def _on(deployment: Deployment, host: str, selected: frozenset[str]) -> tuple[str, ...]:
    return tuple(s.name for s in deployment.on(host) if s.name in selected)
