"""Say why a service did not converge: its tasks and their errors, the container's last probe and log lines, a hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Unhealthy

from stagecraft_swarm import engine, verdict

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

LOG_LINES = 20
TASKS = 6
PROBE_LINES = 8
#: Exit codes of what was told to stop: heeded, killed, ended by SIGTERM.
STOPPED = (0, 137, 143)


def unhealthy(
    site: Site, service: str, why: str, task: Mapping[str, Any] | None, tasks: Sequence[Mapping[str, Any]]
) -> Unhealthy:
    """Return the error for a service that will not converge; ``task`` is the one that shows it."""
    hosts = _hosts(site)
    data = collect(service, why, task, tasks, {node: host.name for node, host in hosts.items()})
    node = hosts.get(str((task or {}).get("NodeID") or ""))
    if node is not None and data["container"]:
        data |= inside(site, node, str(data["container"]))
    data["hint"] = hint(data)
    where = f" on {data['host']}" if data["host"] else ""
    return Unhealthy(f"{service}{where} {data['why']}", hint=str(data["hint"]), detail=text(data), diagnosis=(data,))


def _hosts(site: Site) -> dict[str, Host]:
    try:
        return site.nodes()
    except ProviderError:
        return {}


def collect(
    service: str,
    why: str,
    task: Mapping[str, Any] | None,
    tasks: Sequence[Mapping[str, Any]],
    hosts: Mapping[str, str],
) -> dict[str, Any]:
    """Return the diagnosis as far as the swarm's own records tell it; pure."""
    status = (task or {}).get("Status") or {}
    container = status.get("ContainerStatus") or {}
    return {
        "service": service,
        "host": hosts.get(str((task or {}).get("NodeID") or ""), ""),
        "task": str((task or {}).get("ID") or ""),
        "container": str(container.get("ContainerID") or ""),
        "image": str((((task or {}).get("Spec") or {}).get("ContainerSpec") or {}).get("Image") or ""),
        "why": why,
        "state": verdict.state(task) if task else "missing",
        "exit_code": container.get("ExitCode"),
        "error": str(status.get("Err") or status.get("Message") or ""),
        "tasks": [_line(t, hosts) for t in list(tasks)[-TASKS:]],
        "probe": None,
        "log": [],
    }


def _line(task: Mapping[str, Any], hosts: Mapping[str, str]) -> str:
    status = task.get("Status") or {}
    node = str(task.get("NodeID") or "")
    error = " ".join(str(status.get("Err") or "").split())
    where = hosts.get(node, node) or "no node"
    return f"{str(task['ID'])[:12]} on {where}: {verdict.state(task)}, wanted {task.get('DesiredState')}" + (
        f": {error}" if error else ""
    )


def inside(site: Site, host: Host, container: str) -> dict[str, Any]:
    """Return what the container's own engine tells: the last probe and the last log lines; what cannot be had is left out."""
    found: dict[str, Any] = {}
    try:
        api = site.api(host)
        raw = engine.unless_gone(host.name, "inspect a container", lambda: api.inspect_container(container)) or {}
        state = raw.get("State") or {}
        probes = (state.get("Health") or {}).get("Log") or []
        if was_unhealthy(state):
            found["why"] = "is unhealthy"
        if probes:
            output = str(probes[-1].get("Output") or "").strip()
            end = "\n".join(
                output[-2000:].splitlines()[-PROBE_LINES:]
            )  # of a traceback, the lines that say what is wrong
            found["probe"] = {"exit_code": probes[-1].get("ExitCode"), "output": end}
        if raw:
            data = engine.call(host.name, "read logs", lambda: api.logs(container, tail=LOG_LINES, stream=False))
            found["log"] = bytes(data).decode(errors="replace").splitlines()
    except ProviderError as error:
        site.ctx.log(f"no logs of the failed task: {error.message}", level="debug", host=host.name)
    return found


def was_unhealthy(state: Mapping[str, Any]) -> bool:
    """Tell whether a container was stopped for its health: its last probe failed, and it did not end by itself; pure.

    The engine calls every container unhealthy that has ended, and one that is stopped may well exit with 0.
    """
    health = state.get("Health") or {}
    probes = health.get("Log") or []
    failing = bool(probes) and probes[-1].get("ExitCode") != 0
    return failing and health.get("Status") == "unhealthy" and state.get("ExitCode") in STOPPED


def hint(data: Mapping[str, Any]) -> str:
    """Return the next step that the facts suggest; pure."""
    service, error = data["service"], str(data["error"]).lower()
    if "no suitable node" in error or "no suitable node" in str(data["why"]):
        return "a node that fits is missing, drained or full: docker node ls, and the constraints and resources of the service"
    if "no such image" in error:
        return (
            f"{data['host']} cannot have the image: check the registry, or whether the host belongs to the environment"
        )
    if "bind source path does not exist" in error or "invalid mount config" in error:
        return "make that folder on the node, or use a named volume"
    if "exec format error" in " ".join([error, *data["log"]]).lower():
        return f"the image of {service} is for another architecture than {data['host']}: set build.platforms"
    if "already in use" in error or "already allocated" in error:
        return f"another container or process on {data['host']} has the port: docker ps, ss -ltnp"
    if data["probe"]:
        return f"its healthcheck fails; try its command in a container of {data['image']}"
    if data["exit_code"] in (126, 127):
        return f"the command of {service} is not in the image or is not executable: check command and entrypoint"
    return f"its last log lines are above; start it alone with `docker run --rm {data['image']}`"


def text(data: Mapping[str, Any]) -> str:
    """Return the diagnosis in words, one fact per line; pure."""
    lines = [f"tasks of {data['service']}:", *(f"  {line}" for line in data["tasks"])] if data["tasks"] else []
    if data["error"]:
        lines.append(f"swarm: {data['error']}")
    if data["exit_code"]:
        lines.append(f"exit code: {data['exit_code']}")
    if data["probe"]:
        lines.append(f"last probe: exit code {data['probe']['exit_code']}: {data['probe']['output'] or 'no output'}")
    lines.append(f"last log lines of {data['service']}:" if data["log"] else f"{data['service']} logged nothing")
    return "\n".join([*lines, *(f"  {line}" for line in data["log"])])
