"""Notice what another host, or a proxy on it, makes of a service: bind mounts and routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stagecraft_hookspecs.runtime import Deployment, Service
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_compose import naming, services, shipped
from stagecraft_compose.shipped import Bind, Way

#: Networks whose addresses the host itself cannot reach.
_APART = ("macvlan", "ipvlan")


def findings(service: Service, deployment: Deployment) -> Iterator[Finding]:
    """Return what there is to say of a service."""
    yield from _mounts(service, deployment)
    yield from _routes(service, deployment)


def _finding(service: Service, code: str, severity: Severity, message: str, hint: str, *path: str) -> Finding:
    return Finding(
        code, severity, f"{service.name}: {message}", hint, (service.name,), ("services", service.name, *path)
    )


def _mounts(service: Service, deployment: Deployment) -> Iterator[Finding]:
    """Say, where a service runs on another host, which of its bind mounts go there how."""
    remote = next((h for h in deployment.hosts if h.name in service.hosts and not naming.is_local(h)), None)
    if remote is None:
        return
    for bind in shipped.binds(service.definition, deployment, remote):
        if bind.way is Way.REFUSED:
            yield _finding(service, "bind-mount-refused", Severity.ERROR, bind.problem, bind.hint, "volumes")
        elif bind.way is Way.DATA:
            yield _kept(service, bind, deployment)
        elif bind.way in (Way.FILE, Way.FOLDER):
            size = sum(len(file.data) for file in bind.files.values())
            what = f"{len(bind.files)} files, " if bind.way is Way.FOLDER else ""
            message = f"./{bind.path} travels with each release ({what}{size} bytes)"
            yield _finding(service, "bind-mount-shipped", Severity.INFO, message, "", "volumes")
        elif bind.mount.get("type") == "bind" and not str(bind.mount.get("source", "")).endswith(".sock"):
            message = f"uses {bind.mount['source']} of each host as it is"
            yield _finding(service, "bind-mount-of-host", Severity.INFO, message, "", "volumes")


def _kept(service: Service, bind: Bind, deployment: Deployment) -> Finding:
    path = ("volumes",)
    if shipped.read(deployment, bind.path) is not None:
        message = f"./{bind.path} is sent to each host once and then kept: later changes to the file do not reach it"
        hint = "mount it read_only (:ro), so that each release has its own"
        return _finding(service, "bind-mount-file-kept", Severity.WARNING, message, hint, *path)
    message = f"./{bind.path} is kept on each host, below data/; what the project has there is sent once"
    return _finding(service, "bind-mount-kept", Severity.INFO, message, "", *path)


def _routes(service: Service, deployment: Deployment) -> Iterator[Finding]:
    """Refuse a proxied service whose containers have no address that its host reaches."""
    if not service.routes:
        return
    hint = "give it a network of its own (the default one will do), or take it out of the proxy"
    mode = str(service.definition.get("network_mode") or "")
    if mode in ("host", "none") or mode.startswith(("service:", "container:")):
        message = f"has routes, and with network_mode {mode!r} no address of its own that the proxy could send to"
        yield _finding(service, "route-without-address", Severity.ERROR, message, hint, "network_mode")
        return
    known: Mapping[str, Mapping[str, str]] = deployment.definition.get("networks") or {}
    named = list(service.definition.get("networks") or ())
    drivers = {name: str((known.get(name) or {}).get("driver") or "") for name in named}
    if drivers and all(driver in _APART for driver in drivers.values()):
        listed = ", ".join(f"{name} ({driver})" for name, driver in sorted(drivers.items()))
        message = f"has routes, and is only on networks whose addresses the host cannot reach: {listed}"
        yield _finding(service, "route-without-address", Severity.ERROR, message, hint, "networks")


def pauses(service: Service) -> Iterator[Finding]:
    """Say what ``failure_action: pause`` comes to."""
    if services.mapping(service.definition, "deploy", "update_config").get("failure_action") == "pause":
        message = "failure_action is pause: a failed release is undone as with rollback, unless auto_undo is off"
        yield _finding(service, "failure-action-pause", Severity.INFO, message, "", "deploy", "update_config")
