"""Measure how planning grows: 500 services on 200 hosts, and what doubling the services multiplies the time by."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.figures import Figure, at_most

ROUNDS = 5
SERVICES, HOSTS = 500, 200
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command as its only child, so that the peak memory in KiB is that command's alone."""


def measure() -> list[Figure]:
    """Return seconds, MiB and the growth, each the median of `ROUNDS` runs that take turns."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = [SERVICES // 2, SERVICES, SERVICES * 2]
        projects = {size: write_project(Path(folder, str(size)), size, HOSTS) for size in sizes}
        runs: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
        for _ in range(ROUNDS):
            for size, project in projects.items():
                runs[size].append(run_plan(project))
    seconds = {size: statistics.median(run[0] for run in runs[size]) for size in sizes}
    memory = statistics.median(run[1] for run in runs[SERVICES])
    growth = max(seconds[SERVICES] / seconds[SERVICES // 2], seconds[SERVICES * 2] / seconds[SERVICES])
    return [
        at_most(f"plan of {SERVICES} services on {HOSTS} hosts", round(seconds[SERVICES], 2), "s", 2),
        at_most("its peak memory", round(memory), "MiB", 200),
        at_most("time when the services double", round(growth, 2), "x", 2.3),
    ]


def write_project(folder: Path, services: int, hosts: int) -> Path:
    """Write a project whose services use what real ones do: health checks, env, ports, volumes, deploy, order."""
    folder.mkdir()
    roles = [f"role{number}" for number in range(20)]
    lines = ["project: {name: fleet}", "hosts:"]
    for index, role in enumerate(roles):
        names = [f"host-{number:03}" for number in range(index, hosts, len(roles))]
        lines.append(f"  {role}: [{', '.join(names)}]")
    lines.append("services:")
    lines += [f"  service-{n:04}: {{role: {roles[n % len(roles)]}}}" for n in range(services)]
    lines.append("environments:\n  prod: {runtime: compose}")
    (folder / "stagecraft.yml").write_text("\n".join(lines) + "\n")
    (folder / "docker-compose.yml").write_text(
        "services:\n" + "".join(service(n) for n in range(services)) + "volumes: {data: {}}\n"
    )
    return folder


def service(number: int) -> str:
    """Return one service of the compose file."""
    after = f"    depends_on: {{service-{number - 10:04}: {{condition: service_healthy}}}}\n" if number >= 10 else ""
    return (
        f"  service-{number:04}:\n"
        f"    image: registry.example.com/fleet/service-{number:04}:1.4\n"
        f"    command: [serve, --port, '8000']\n"
        f"    environment: {{LOG_LEVEL: info, PEER: 'http://service-{max(0, number - 1):04}:8000'}}\n"
        f"    ports: ['{10000 + number}:8000']\n"
        f"    volumes: ['data:/data']\n"
        f"    healthcheck: {{test: [CMD, check], interval: 5s, timeout: 2s, retries: 3}}\n"
        f"    deploy: {{replicas: 2, update_config: {{parallelism: 1, delay: 2s, order: stop-first}}}}\n"
        f"    restart: unless-stopped\n{after}"
    )


def run_plan(project: Path) -> tuple[float, float]:
    """Plan once; return seconds and MiB."""
    command = [str(Path(sys.executable).with_name("stagecraft")), "plan", "-e", "prod"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], cwd=project, capture_output=True, text=True, check=True
    )
    elapsed = time.perf_counter() - began
    code, kibibytes = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"`stagecraft plan` ended with exit code {code} in {project}")
    return elapsed, int(kibibytes) / 1024
