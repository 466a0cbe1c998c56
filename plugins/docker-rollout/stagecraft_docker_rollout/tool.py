"""Build the command lines of the tool and of Docker Compose, and read what the tool prints when it gives up. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from stagecraft_compose import derive, services
from stagecraft_compose.naming import CONTAINER_NAME
from stagecraft_hookspecs.values import Command

from stagecraft_docker_rollout.config import Config

#: What the tool itself waits at most where a healthcheck is the image's alone.
USUAL = 60.0
VERSION_TIMEOUT = 30.0
LOG_LINES = 20
_HEALTH = re.compile(r"^==> Health check status for container (\S+)$")
_LOGS = re.compile(r"^==> Logs for container (\S+)$")


def version() -> Command:
    """Build the command that tells whether the tool is there."""
    return Command(("docker", "rollout", "--version"), cwd="/", timeout=VERSION_TIMEOUT)


def file_name(service: str) -> str:
    """Return the compose file, in the release's folder, that a service is replaced with."""
    return f"rollout-{service}.json"


def document(host_document: Mapping[str, Any], service: str, *, alone: bool) -> bytes:
    """Return the compose file that names one service and nothing that it depends on.

    The tool starts dependencies too, and would bring each to the number of containers that the file says.

    Args:
        alone: Whether it gets its ``container_name``: it can only ever have one container.
    """
    made = derive.for_create(host_document, [service], {}, {})
    name = (made["services"][service].get("labels") or {}).get(CONTAINER_NAME)
    if alone and name:
        made["services"][service]["container_name"] = name
    return json.dumps(made, indent=1, sort_keys=True).encode()


def rollout(
    config: Config, project: str, folder: str, service: str, definition: Mapping[str, Any], count: int
) -> Command:
    """Build the command that replaces a service's containers. Paths are relative: the tool splits them at spaces."""
    limit = patience(definition, config)
    argv = ["docker", "rollout", "-f", file_name(service), "--env-file", ".env", "-p", project]
    argv += ["-t", str(math.ceil(limit)), "-w", str(math.ceil(config.wait))]
    if config.wait_after_healthy > 0:
        argv += ["--wait-after-healthy", str(math.ceil(config.wait_after_healthy))]
    if config.pre_stop_hook:
        argv += ["--pre-stop-hook", config.pre_stop_hook]
    # a round of the tool asks every container and sleeps a second; hooks have no deadline of their own
    rounds = limit * (1 + count) + config.wait + config.wait_after_healthy + services.grace(definition)
    return Command((*argv, service), cwd=folder, timeout=2 * rounds + 300)


def up(project: str, folder: str, service: str, count: int, *, keep: bool = False) -> Command:
    """Build the command by which Compose brings a service to its number of containers, recreating those that differ."""
    flags = ("--no-recreate",) if keep else ()
    argv = ("docker", "compose", "-f", file_name(service), "--env-file", ".env", "-p", project, "up", "--detach")
    return Command((*argv, "--no-deps", *flags, "--scale", f"{service}={count}", service), cwd=folder, timeout=600)


def patience(definition: Mapping[str, Any], config: Config) -> float:
    """Return the seconds that the tool waits for health: what was configured, else what the healthcheck allows."""
    own = definition.get("x-stagecraft")
    given = services.seconds(own.get("deploy_timeout")) if isinstance(own, Mapping) else 0.0
    check = services.healthcheck(definition)
    if given or config.deploy_timeout or not check:
        return given or config.deploy_timeout or USUAL
    probes = int(check.get("retries") or 3) + 1
    once = services.seconds(check.get("interval"), 30.0) + services.seconds(check.get("timeout"), 30.0)
    return services.seconds(check.get("start_period")) + once * probes + 5.0


def failure(service: str, host: str, image: str, output: str) -> dict[str, object] | None:
    """Return the diagnosis that the tool's output holds: the first new container that was not healthy; None without one."""
    health: dict[str, dict[str, Any]] = {}
    logs: dict[str, list[str]] = {}
    part, current = "", ""
    for line in output.splitlines():
        if found := _HEALTH.match(line):
            part, current = "health", found[1]
        elif found := _LOGS.match(line):
            part, current = "logs", found[1]
            logs[current] = []
        elif line.startswith("==> "):
            part = ""
        elif part == "health" and line.startswith("{"):
            health[current] = _json(line)
        elif part == "logs":
            logs[current].append(line)
    ill = [c for c in health if health[c].get("Status") != "healthy"]
    if not ill:
        return None
    state = health[ill[0]]
    probes = state.get("Log") or []
    last = probes[-1] if probes else {}
    probe = {"exit_code": last.get("ExitCode"), "output": str(last.get("Output", "")).strip()[-2000:]} if last else None
    return {
        "service": service,
        "host": host,
        "container": ill[0],
        "image": image,
        "why": "is unhealthy" if state.get("Status") == "unhealthy" else "did not become healthy in time",
        "health": str(state.get("Status") or "none"),
        "probe": probe,
        "log": logs.get(ill[0], [])[-LOG_LINES:],
    }


def _json(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def words(data: Mapping[str, Any]) -> str:
    """Return a diagnosis as lines of text."""
    lines = [f"container: {str(data['container'])[:12]} (health: {data['health']})"]
    if data["probe"]:
        lines.append(f"last probe: exit code {data['probe']['exit_code']}: {data['probe']['output'] or 'no output'}")
    lines.append(f"last log lines of {data['service']}:" if data["log"] else f"{data['service']} logged nothing")
    return "\n".join([*lines, *(f"  {line}" for line in data["log"])])
