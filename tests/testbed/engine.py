"""Run a Docker engine of the testbed's own, with compose and buildx, beside whatever the machine has."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from . import apt, cgroups, network, state, switch, tools
from .layout import Layout, TestbedError
from .network import Network
from .processes import children, started_with, stop, wait_ready, wait_until
from .processes import start as start_process

SUITE = "trixie"  # stable: engine 26.1, compose 2.26, buildx 0.13; no newer Debian's C library is needed for these
PACKAGES = ("containerd", "docker-buildx", "docker-cli", "docker-compose", "docker.io", "tini")
PLUGINS = ("docker-buildx", "docker-compose")
FIXED = (Path("/run/containerd"), Path("/run/docker"), Path("/run/runc"))
"""Where every engine puts sockets and run state, whatever it is told; ours sees empty folders mounted there."""

PROGRAMS = (
    "usr/bin/containerd",
    "usr/bin/containerd-shim-runc-v2",
    "usr/bin/docker-init",
    "usr/sbin/docker-proxy",
    "usr/sbin/dockerd",
)

# $@: the command to become, in the engine's own mount namespace
# - sockets and state at fixed places may be another engine's: put empty folders over them (FIXED)
FRESH_FOLDERS = """
for d in /run/containerd /run/docker /run/runc; do
  mkdir -p $d
  mount -t tmpfs -o mode=711 tmpfs $d
done
"""
PRELUDE = FRESH_FOLDERS + cgroups.MOUNT + 'exec "$@"\n'


def up(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Start the engine, or return the one that runs; the record is saved before anything outside the cache changes."""
    recorded = parts.get("docker")
    if recorded is not None and recorded.process and state.running(recorded) and answers(layout, recorded.environment):
        return recorded
    if recorded is not None:
        down(layout, recorded)
    environment = client(layout)
    prefix = _unpacked(layout)
    tools.provide(layout, ("ip", "iptables", "ip6tables", "runc"), layout.sbin)
    net = network.choose(network.ROUTES.read_text())
    notes = {"octet": str(net.octet), "forwarding": network.FORWARDING.read_text().strip()}
    parts["docker"] = state.Part(None, {}, notes)
    state.save(layout, parts)
    network.create(layout, net)
    cgroups.make_room(cgroups.MOUNTED)
    _forget(layout)  # containers and networks of an engine that was killed
    log = layout.engine / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    command = ["sh", "-eu", "-c", PRELUDE, "engine", *engine_command(layout, prefix, net)]
    process = start_process(command, log=log, environment=tools.server_environment(layout))
    parts["docker"] = state.Part(process, environment, notes)
    state.save(layout, parts)
    wait_ready("the Docker engine", process, lambda: answers(layout, environment), log)
    if hosts := switch.current(layout):  # it was up before this engine
        trust(layout, parts["docker"], str(hosts.network))
    return parts["docker"]


def down(layout: Layout, part: state.Part) -> None:
    """End the engine and all its containers; remove its bridges, rules, control groups and data."""
    for process in started_with(f"--data-root={layout.engine}/data"):
        stop(process, grace=0.0)  # its data goes too, so containers need no time to end well
    net = Network(int(part.notes["octet"]))
    network.remove(layout, net)
    network.restore_forwarding(part.notes["forwarding"])
    cgroups.remove(net.bridge, PRELUDE)
    remove_mount_points()
    _forget(layout)


def engine_command(layout: Layout, prefix: Path, net: Network) -> list[str]:
    """Return the argv of the engine, under an init that reaps what containers leave behind."""
    data = layout.engine
    settings = {
        "--config-file": str(data / "daemon.json"),
        "--data-root": str(data / "data"),
        "--exec-root": str(data / "exec"),
        "--pidfile": str(data / "pid"),
        "--host": f"unix://{data}/docker.sock",
        "--group": "root",
        "--bridge": net.bridge,
        "--default-address-pool": net.pool,
        "--iptables": "false",
        "--ip6tables": "false",
        "--cgroup-parent": f"/{net.bridge}",
        "--exec-opt": "native.cgroupdriver=cgroupfs",
        "--init-path": str(prefix / "usr/bin/tini-static"),
        "--userland-proxy-path": str(prefix / "usr/sbin/docker-proxy"),
    }
    flags = [f"{flag}={value}" for flag, value in settings.items()]
    return [str(prefix / "usr/bin/tini-static"), "--", str(prefix / "usr/sbin/dockerd"), *flags]


def answers(layout: Layout, environment: dict[str, str]) -> bool:
    """Say whether the engine answers the client."""
    command = [str(layout.bin / "docker"), "version", "--format", "{{.Server.Version}}"]
    whole = {**tools.server_environment(layout), **environment}
    return subprocess.run(command, env=whole, capture_output=True, check=False).returncode == 0


def trust(layout: Layout, part: state.Part | None, network: str) -> None:
    """Let the engine use registries in `network` without TLS, also while it runs."""
    settings = json.dumps({"insecure-registries": [network]}) + "\n"
    file = layout.engine / "daemon.json"
    if part is None or part.process is None or not state.running(part) or file.read_text() == settings:
        return
    file.write_text(settings)
    for init in children(part.process.pid):  # it hands the signal on to the engine, which reads its settings again
        os.kill(init, signal.SIGHUP)
    environment = {**tools.server_environment(layout), **part.environment}
    command = [str(layout.bin / "docker"), "info", "--format", "{{.RegistryConfig.InsecureRegistryCIDRs}}"]

    def trusts() -> bool:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return network in done.stdout

    if not wait_until(trusts, 10.0):
        raise TestbedError("the Docker engine did not take its new settings", f"read {layout.engine}/log")


def remove_mount_points() -> None:
    """Remove those of FIXED that are empty and that no process has anything mounted on (that would be undone)."""
    tables = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            tables.append(table.read_text())
        except OSError:  # that process has ended
            continue
    for folder in FIXED:
        if folder.exists() and not any(folder.iterdir()) and not any(f" {folder} " in table for table in tables):
            folder.rmdir()


def _unpacked(layout: Layout) -> Path:
    prefix = layout.roots / "engine"
    if not prefix.exists():
        suite = apt.open_suite(layout, SUITE)
        draft = layout.roots / "engine.part"
        shutil.rmtree(draft, ignore_errors=True)
        apt.unpack(apt.download(suite, PACKAGES, layout.apt / "engine"), draft)
        draft.rename(prefix)
    layout.sbin.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        _link(layout.sbin / Path(program).name, prefix / program)
    return prefix


def client(layout: Layout) -> dict[str, str]:
    """Lay out the client and its plugins; return the variables that make it talk to this engine."""
    prefix = _unpacked(layout)
    folder = layout.root / "docker-config"
    (folder / "cli-plugins").mkdir(parents=True, exist_ok=True)
    layout.bin.mkdir(parents=True, exist_ok=True)
    _link(layout.bin / "docker", prefix / "usr/bin/docker")
    for plugin in PLUGINS:
        _link(folder / "cli-plugins" / plugin, prefix / "usr/libexec/docker/cli-plugins" / plugin)
    return {"DOCKER_HOST": f"unix://{layout.engine}/docker.sock", "DOCKER_CONFIG": str(folder)}


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _forget(layout: Layout) -> None:
    shutil.rmtree(layout.engine, ignore_errors=True)
    layout.engine.mkdir(parents=True)
    (layout.engine / "daemon.json").write_text("{}\n")
