"""From configuration and compose file to the deployment: which service runs where, from which image, replaced how."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ConfigError, Problem
from stagecraft_hookspecs.runtime import Deployment, Order, Service, Update
from stagecraft_hookspecs.values import Build, Image

if TYPE_CHECKING:
    from stagecraft.project import Project

_BUILD_FIELDS = {
    "context",
    "dockerfile",
    "dockerfile_inline",
    "target",
    "args",
    "secrets",
    "platforms",
    "labels",
    "cache_from",
}


def make_deployment(project: Project) -> Deployment:
    """Return all that is to run. Pure: reads nothing but what the project holds already.

    Raises:
        ConfigError: A service has no host, or names what does not exist.
    """
    config = project.config
    definitions = project.services
    problems = [
        Problem(
            f"services.{name}: the compose file has no service {name!r}",
            f"its services: {', '.join(sorted(definitions))}",
            config.mark("services", name),
        )
        for name in sorted(config.services)
        if name not in definitions
    ]
    builds = project.builds()
    services = []
    for name, definition in sorted(definitions.items()):
        role = config.role_of(name)
        hosts = tuple(h.name for h in config.hosts_of(name))
        if not hosts:
            problems.append(
                Problem(
                    f"service {name!r} has role {role!r}, and no host has it",
                    f"add a host under `hosts: {role}:`, or give the service another role under `services: {name}: role:`",
                    config.mark("services", name) or config.mark("hosts"),
                )
            )
        built = builds.get(name)
        services.append(
            Service(
                name,
                definition,
                hosts,
                _replicas(definition),
                _image(project, name, definition, built is not None),
                built,
                update_of(definition),
            )
        )
    if problems:
        raise ConfigError(problems)
    if proxied(project):
        from stagecraft.plan.routes import routed

        services = list(routed(config, services))
    used = {h for s in services for h in s.hosts}
    return Deployment(
        config.project,
        config.environment,
        tuple(services),
        tuple(sorted(h for h in config.hosts if h.name in used)),
        project.resources,
        project.folder,
        root=str(config.root.absolute()),
    )


def proxied(project: Project) -> bool:
    """Tell whether a proxy stands before the services: one is chosen, and the runtime's instances can be reached by it."""
    return project.has("proxy") and project.runtime_class.routable


def compose_build(service: str, build: Mapping[str, Any], root: str) -> Build:
    """Return the ``build`` block of a normalised compose service as a ``Build`` with paths relative to the project."""
    context = build.get("context", ".")
    return Build(
        service,
        context=os.path.relpath(context, root) if context.startswith("/") else context,
        dockerfile=build.get("dockerfile", "Dockerfile"),
        dockerfile_inline=build.get("dockerfile_inline", ""),
        target=build.get("target", ""),
        args={k: v for k, v in sorted((build.get("args") or {}).items()) if v is not None},
        secrets={s.get("target") or s["source"]: s["source"] for s in build.get("secrets") or ()},
        platforms=tuple(build.get("platforms") or ()),
        labels=dict(sorted((build.get("labels") or {}).items())),
        cache_from=tuple(build.get("cache_from") or ()),
        options={k: v for k, v in sorted(build.items()) if k not in _BUILD_FIELDS},
    )


def update_of(definition: Mapping[str, Any]) -> Update:
    """Return a service's ``deploy.update_config``."""
    config = (definition.get("deploy") or {}).get("update_config") or {}
    order = config.get("order")
    return Update(
        Order(order) if order else None,
        int(config.get("parallelism", 1)),
        seconds(config.get("delay", 0.0)),
        seconds(config.get("monitor", 5.0)),
        str(config.get("failure_action", "rollback")),
        float(config.get("max_failure_ratio", 0.0)),
    )


def seconds(value: Any) -> float:
    """Return a compose duration (``1m30s``) in seconds."""
    from stagecraft.compose.scalars import parse_duration

    return float(value) if isinstance(value, int | float) else parse_duration(str(value)) / 1e9


def _replicas(definition: Mapping[str, Any]) -> int:
    replicas = (definition.get("deploy") or {}).get("replicas")
    return int(replicas if replicas is not None else definition.get("scale", 1))


def _image(project: Project, name: str, definition: Mapping[str, Any], built: bool) -> Image:
    given = definition.get("image")
    if given and not built:
        name_part, _, digest = str(given).partition("@")
        return Image(name_part, digest)
    if given:
        return Image(str(given))
    registry = project.config.registry
    return Image(f"{registry or project.config.project}/{name}")
