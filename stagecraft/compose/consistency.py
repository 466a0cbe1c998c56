"""Refuse projects whose parts contradict each other: undefined names, exclusive keys, circles of dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.errors import nearest

from stagecraft.compose.faults import Faults, Path, shown

Service = dict[str, Any]


def check_project(
    services: Mapping[str, Service], disabled: Mapping[str, Service], model: Mapping[str, Any], faults: Faults
) -> None:
    """Add every contradiction among the enabled `services` to `faults`; `model` has the named resources."""
    for name, service in services.items():
        path: Path = ("services", name)
        _check_image(service, path, services, faults)
        _check_references(service, path, model, faults)
        _check_dependencies(service, path, services, disabled, faults)
        _check_scale(service, path, faults)
        _check_limits(service, path, faults)
        for index, watch in enumerate((service.get("develop") or {}).get("watch") or ()):
            if "target" not in watch and watch["action"] not in ("rebuild", "restart"):
                faults.at((*path, "develop", "watch", index), f"needs a target to {watch['action']}", "add `target`")
        test = (service.get("healthcheck") or {}).get("test") or ("NONE",)
        if test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            faults.at((*path, "healthcheck", "test"), "must begin with CMD, CMD-SHELL or NONE", "add `CMD` in front")
    for name, secret in (model.get("secrets") or {}).items():
        if secret.get("external") is not True and not secret.get("file") and not secret.get("environment"):
            faults.at(("secrets", name), "needs `file` or `environment`", "add one of them, or `external: true`")
    _check_circles(services, faults)


def _check_image(service: Service, path: Path, services: Mapping[str, Service], faults: Faults) -> None:
    build = service.get("build")
    if build is None:
        if "image" not in service:
            faults.at(path, "has neither `image` nor `build`", "add one of them", key=True)
        return
    if "dockerfile" in build and "dockerfile_inline" in build:
        faults.at((*path, "build"), "has both `dockerfile` and `dockerfile_inline`", "keep one of the two")
    for key, context in (build.get("additional_contexts") or {}).items():
        other = context.removeprefix("service:")
        if other != context and "build" not in services.get(other, {}):
            what = "builds nothing" if other in services else "is not a service"
            faults.at(
                (*path, "build", "additional_contexts", key), f"names `{other}`, which {what}", "correct the name"
            )
    platforms = build.get("platforms")
    if platforms and service.get("platform") and service["platform"] not in platforms:
        faults.at((*path, "build", "platforms"), f"lacks the service's platform {service['platform']}", "add it")


def _check_references(service: Service, path: Path, model: Mapping[str, Any], faults: Faults) -> None:
    if "network_mode" in service and service.get("networks"):
        faults.at(path, "has both `network_mode` and `networks`", "keep one of the two", key=True)
    for name in service.get("networks") or ():
        _check_name(name, "networks", (*path, "networks", name), model, faults)
    for index, volume in enumerate(service.get("volumes") or ()):
        if volume.get("type") == "volume" and volume.get("source"):
            _check_name(volume["source"], "volumes", (*path, "volumes", index), model, faults)
    for section, holder, at in (
        ("configs", service, path),
        ("secrets", service, path),
        ("secrets", service.get("build") or {}, (*path, "build")),
    ):
        for index, mount in enumerate(holder.get(section) or ()):
            _check_name(mount.get("source", ""), section, (*at, section, index), model, faults)


def _check_name(name: str, section: str, path: Path, model: Mapping[str, Any], faults: Faults) -> None:
    known = model.get(section) or {}
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean `{near}`?" if near else f"define it under `{section}:`"
        faults.add(path, f"{shown(path[:3])} names `{name}`, which is not under `{section}:`", hint)


def _check_dependencies(
    service: Service, path: Path, services: Mapping[str, Service], disabled: Mapping[str, Service], faults: Faults
) -> None:
    mode = service.get("network_mode", "").removeprefix("service:")
    shared = mode if mode != service.get("network_mode", "") else None
    for name, dependency in (service.get("depends_on") or {}).items():
        if name in services or (name in disabled and not dependency["required"]):
            continue
        key = "network_mode" if name == shared else "depends_on"
        at = (*path, key, name) if key == "depends_on" else (*path, key)
        if name in disabled:
            profiles = ", ".join(disabled[name].get("profiles") or ())
            faults.at(at, f"names `{name}`, which is disabled", f"enable one of its profiles: {profiles}", key=True)
        else:
            near = nearest(name, services)
            hint = f"did you mean `{near}`?" if near else "define the service"
            faults.add(at, f"{shown((*path, key))} names the service `{name}`, which does not exist", hint, key=True)


def _check_scale(service: Service, path: Path, faults: Faults) -> None:
    deploy = service.get("deploy")
    scale = service.get("scale")
    if scale is not None and deploy is not None:
        if deploy.get("replicas", scale) != scale:
            faults.at((*path, "scale"), "differs from `deploy.replicas`", "keep one of the two")
        deploy["replicas"] = scale
    count = scale if scale is not None else (deploy or {}).get("replicas", 1)
    if count > 1 and "container_name" in service:
        faults.at((*path, "container_name"), f"cannot name {count} containers", "remove it, or run one")


def _check_limits(service: Service, path: Path, faults: Faults) -> None:
    resources = (service.get("deploy") or {}).get("resources") or {}
    for key, side, name in (
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ):
        if key in service and side in resources and resources[side].get(name) != service[key]:
            faults.at((*path, key), f"differs from `deploy.resources.{side}.{name}`", "keep one of the two")


def _check_circles(services: Mapping[str, Service], faults: Faults) -> None:
    """Find one circle for each group of services that wait for each other, without recursion."""
    done: set[str] = set()
    for root in sorted(services):
        if root in done:
            continue
        trail: dict[str, list[str]] = {root: _dependencies(services, root)}
        while trail:
            name = next(reversed(trail))
            if not trail[name]:
                done.add(name)
                del trail[name]
                continue
            following = trail[name].pop()
            if following in trail:
                names = list(trail)
                circle = [*names[names.index(following) :], following]
                if len(circle) > 12:
                    circle = [*circle[:5], f"{len(circle) - 10} more", *circle[-5:]]
                what = f"services depend on each other in a circle: {' -> '.join(circle)}"
                faults.add(
                    ("services", name, "depends_on", following), what, "remove one of the dependencies", key=True
                )
            elif following not in done:
                trail[following] = _dependencies(services, following)


def _dependencies(services: Mapping[str, Service], name: str) -> list[str]:
    return sorted((d for d in services[name].get("depends_on") or () if d in services), reverse=True)
