"""Say why a container is not healthy: state, exit code, memory, restarts, the last probe, ports, the last log lines,
a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import Unhealthy
from stagecraft_hookspecs.values import Command

from stagecraft_compose import ports

if TYPE_CHECKING:
    from stagecraft_compose.engine import Engine

LOG_LINES = 20
#: Print a container's sockets. Arguments: its process, as the engine counts them, and its id, which tells whether the
#: process of that number on the host is the same.
PORTS_SCRIPT = """\
grep -q -s -F "$2" "/proc/$1/cgroup" "/proc/$1/mountinfo" || exit 1
exec cat "/proc/$1/net/tcp" "/proc/$1/net/tcp6"
"""
_PROBE_LINES = 8


def unhealthy(engine: Engine, service: str, raw: Mapping[str, Any], why: str) -> Unhealthy:
    """Return the error for a container that will not become healthy."""
    data = collect(service, engine.host, raw, why, engine.log_tail(raw["Id"], LOG_LINES), listening(engine, raw))
    return Unhealthy(f"{service} on {engine.host} {why}", hint=str(data["hint"]), detail=text(data), diagnosis=(data,))


def listening(engine: Engine, raw: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the TCP ports that something listens on in a running container; None where that cannot be seen.

    Asked of the kernel of its host or, where the engine is in another place, inside it with its own ``cat``.
    """
    if raw["State"].get("Status") != "running":
        return None
    argv = ("sh", "-c", PORTS_SCRIPT, "ports", str(raw["State"].get("Pid") or 0), str(raw["Id"]))
    seen = engine.machine.run(Command(argv, cwd="/", timeout=20), check=False)
    text = seen.stdout if seen.ok else engine.output_of(raw["Id"], ("cat", "/proc/net/tcp", "/proc/net/tcp6"))
    return ports.in_text(text) if text else None


def collect(
    service: str, host: str, raw: Mapping[str, Any], why: str, log: tuple[str, ...], listening: tuple[int, ...] | None
) -> dict[str, object]:
    """Return the diagnosis as JSON-like data; pure.

    Args:
        raw: The container as ``/containers/ID/json`` has it.
        listening: TCP ports that something listens on in the container; None where that cannot be seen.
    """
    state, config = raw["State"], raw["Config"]
    probes = (state.get("Health") or {}).get("Log") or []
    probe = probes[-1] if probes else None
    data: dict[str, object] = {
        "service": service,
        "host": host,
        "container": str(raw.get("Name", "")).lstrip("/"),
        "image": str(config.get("Image") or ""),
        "why": why,
        "state": state.get("Status", ""),
        "health": (state.get("Health") or {}).get("Status", "none"),
        "exit_code": state.get("ExitCode"),
        "oom_killed": bool(state.get("OOMKilled")),
        "memory_limit": (raw.get("HostConfig") or {}).get("Memory") or 0,
        "restarts": raw.get("RestartCount") or 0,
        "error": state.get("Error") or "",
        "probe": None
        if probe is None
        else {"exit_code": probe.get("ExitCode"), "output": str(probe.get("Output", "")).strip()[-2000:]},
        "probe_command": _probe_command(config),
        "target_ports": list(ports.targets(raw)),
        "exposed_ports": list(ports.exposed(raw)),
        "listening_ports": None if listening is None else list(listening),
        "log": list(log),
    }
    data["hint"] = hint(data)
    return data


def hint(data: Mapping[str, Any]) -> str:
    """Return the next step that the facts suggest; pure."""
    service = data["service"]
    running = data["state"] == "running"
    wanted, listening = data["target_ports"], data["listening_ports"]
    if data["oom_killed"]:
        limit = f" of {_size(data['memory_limit'])}" if data["memory_limit"] else ""
        return f"raise the memory limit{limit} of {service} (deploy.resources.limits.memory), or make it need less"
    if "exec format error" in " ".join([str(data["error"]), *data["log"]]).lower():
        return (
            f"the image of {service} is for another architecture than {data['host']}: set build.platforms, or platform"
        )
    if running and listening is not None and wanted and not set(wanted) & set(listening):
        there = ", ".join(map(str, listening)) if listening else "no port at all"
        return f"the compose file publishes container port {_list(wanted)}, but {service} listens on {there}"
    probe = data["probe"] or {}
    output = str(probe.get("output", "")).lower()
    if running and probe and ("not found" in output or probe.get("exit_code") == 127):
        return f"the healthcheck's command is not in the image: {data['probe_command']}"
    if running and probe:
        return (
            f"it runs, but its healthcheck fails: {data['probe_command']}; try that in a container of {data['image']}"
        )
    if data["exit_code"] in (126, 127):
        return f"the command of {service} is not in the image or is not executable: check command and entrypoint"
    if data["exit_code"] == 0 and not running:
        return f'{service} ended by itself; a service that is meant to finish says `restart: "no"`'
    # the container itself may be undone by the time that somebody reads this
    return f"its last log lines are above; start it alone with `docker run --rm {data['image']}`"


def text(data: Mapping[str, Any]) -> str:
    """Return the diagnosis in words, one fact per line; pure."""
    state = f"{data['state']}, exit code {data['exit_code']}" if data["state"] != "running" else "running"
    lines = [f"container: {data['container']} ({state}, restarted {data['restarts']} times, health: {data['health']})"]
    if data["oom_killed"]:
        limit = _size(data["memory_limit"]) if data["memory_limit"] else "the host's memory, it has no limit of its own"
        lines.append(f"memory: killed by the kernel for exceeding its limit ({limit})")
    if data["error"]:
        lines.append(f"engine: {data['error']}")
    if data["probe"]:
        lines.append(
            f"last probe: exit code {data['probe']['exit_code']}: {_end(data['probe']['output']) or 'no output'}"
        )
    if data["target_ports"]:
        seen = data["listening_ports"]
        tail = "" if seen is None else f"; listening: {_list(seen)}"
        lines.append(
            f"ports: published {_list(data['target_ports'])}; the image exposes {_list(data['exposed_ports'])}{tail}"
        )
    lines.append(f"last log lines of {data['service']}:" if data["log"] else f"{data['service']} logged nothing")
    lines += [f"  {line}" for line in data["log"]]
    return "\n".join(lines)


def _end(output: str) -> str:
    """Return the last lines of a probe's output: of a traceback, those that say what is wrong."""
    lines = output.splitlines()
    return "\n".join(lines if len(lines) <= _PROBE_LINES else ["…", *lines[-_PROBE_LINES:]])


def _probe_command(config: Mapping[str, Any]) -> str:
    import shlex

    test = (config.get("Healthcheck") or {}).get("Test") or []
    if test[:1] == ["CMD-SHELL"]:
        return f"sh -c {shlex.quote(' '.join(test[1:]))}"
    return shlex.join(test[1:])


def _size(count: int) -> str:
    """Return bytes as people write them in compose files."""
    return f"{count / (1 << 20):g} MB"


def _list(numbers: Any) -> str:
    return ", ".join(str(n) for n in numbers) or "none"
