"""Say in the plan what this runtime cannot do, and what it does differently from containers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stagecraft_hookspecs.runtime import Deployment, Service
from stagecraft_hookspecs.values import LOCAL, Finding, Severity

from stagecraft_process.sources import Source, file_mounts, mounts

#: Keys whose meaning needs a container; the plan says that they have no effect.
WITHOUT_EFFECT = (
    "cap_add", "cap_drop", "cgroup", "cpus", "devices", "dns", "extra_hosts", "gpus", "init", "ipc", "mem_limit",
    "network_mode", "pid", "privileged", "read_only", "security_opt", "sysctls", "ulimits", "user",
)  # fmt: skip
_LOCAL_NAMES = (LOCAL.name, "localhost", "127.0.0.1", "::1")


def is_local(name: str, address: str = "") -> bool:
    """Tell whether a host is this machine."""
    return name in _LOCAL_NAMES or address in _LOCAL_NAMES


def lint(
    deployment: Deployment, sources: Mapping[str, Source], units: Mapping[str, dict[str, Any]]
) -> tuple[Finding, ...]:
    """Return the findings, by service in the deployment's order."""
    return (
        *_hosts(deployment),
        *(f for s in deployment.services for f in _service(s, sources[s.name], units[s.name], deployment)),
        *_clashes(units),
    )


def _hosts(deployment: Deployment) -> Iterator[Finding]:
    for host in deployment.hosts:
        if not is_local(host.name, host.address):
            yield Finding(
                "process-remote-host",
                Severity.ERROR,
                f"runtime process runs services on this machine only, not on host {host.name!r}",
                "use `runtime: compose` for this environment, or leave out its `hosts`",
                path=("hosts",),
            )


def _service(service: Service, source: Source, unit: dict[str, Any], deployment: Deployment) -> Iterator[Finding]:
    path = ("services", service.name)
    definition = service.definition
    if not source.folder:
        yield Finding(
            "process-image-only",
            Severity.ERROR,
            f"image-only service {service.name!r} cannot run with runtime process",
            "use `runtime: compose`, or give the service a `build` whose folder holds what its `command` runs",
            (service.name,),
            (*path, "image"),
        )
        return
    if not unit["argv"]:
        yield Finding(
            "process-no-command",
            Severity.ERROR,
            f"service {service.name!r} has no command: neither the compose file nor its Dockerfile says what to run",
            "add `command:` to the service",
            (service.name,),
            path,
        )
    yield from _ports(service, definition, path)
    yield from _differences(service, source, deployment, path)


def _ports(service: Service, definition: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Finding]:
    for number, entry in enumerate(definition.get("ports") or ()):
        where = (*path, "ports", str(number))
        if entry.get("protocol", "tcp") != "tcp":
            what = f"{entry['protocol']} port {entry['target']}"
            text = f"service {service.name!r}: runtime process forwards TCP only, not {what}"
            yield Finding(
                "process-port-protocol", Severity.WARNING, text, "use `runtime: compose`", (service.name,), where
            )
        elif "-" in str(entry.get("published") or ""):
            text = f"service {service.name!r}: of the host ports {entry['published']} the first is used"
            yield Finding("process-port-range", Severity.WARNING, text, "publish one port", (service.name,), where)


def _differences(service: Service, source: Source, deployment: Deployment, path: tuple[str, ...]) -> Iterator[Finding]:
    def info(code: str, message: str, key: str, hint: str = "") -> Finding:
        return Finding(code, Severity.INFO, f"service {service.name!r}: {message}", hint, (service.name,), (*path, key))

    for mount in mounts(service.definition):
        target = mount["target"]
        if mount.get("type") == "bind":
            where = f"{mount.get('source')} itself"
        elif mount.get("type") == "tmpfs":
            where = "a folder on disk that is kept"
        else:
            where = f"the kept folder volumes/{mount.get('source') or '(anonymous)'}"
        text = f"{target} is {where} here; values of its environment and command that name {target} are rewritten"
        yield info("process-volume", text, "volumes")
    for kind, path_inside, file in file_mounts(service, deployment):
        if not file:
            text = f"{path_inside} is not there without containers, because its {kind} entry names no `file`"
            yield info("process-files", text, kind, "name a `file`, or pass the value in the environment")
    if source.recipe.runs:
        text = (
            f"the RUN steps of its Dockerfile ({source.recipe.runs}) are not executed; what they install must be here"
        )
        yield info("process-run-steps", text, "build")
    ignored = [k for k in WITHOUT_EFFECT if service.definition.get(k)]
    if ignored:
        yield info("process-keys", f"{', '.join(ignored)} have no effect without containers", ignored[0])


def _clashes(units: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    owners: dict[tuple[str, int], str] = {}
    for name, unit in sorted(units.items()):
        for entry in unit["ports"]:
            address = (entry["ip"], entry["published"])
            if entry["published"] and owners.setdefault(address, name) != name:
                yield Finding(
                    "process-port-clash",
                    Severity.ERROR,
                    f"services {owners[address]!r} and {name!r} both publish port {address[1]}",
                    "publish them on different ports",
                    (owners[address], name),
                    ("services", name, "ports"),
                )
