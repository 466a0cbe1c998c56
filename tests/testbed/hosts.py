"""Run hosts: each a root file system, an address, an SSH server and a Docker engine of its own.

A host is a set of namespaces whose first process is an init. When that ends, the kernel ends all that ran on the
host, containers included: that is also how its power is cut. Its disk is a folder of the testbed, or a small one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from . import cgroups, engine, hostroot, keys, probes, processes, state, switch, tools
from .layout import Layout, TestbedError
from .processes import Process
from .switch import Switch

NAMESPACES = ("--net", "--uts", "--ipc")
BOOT = hostroot.HERE / "boot.sh"
USUAL = 3
SLOWEST_BOOT = 60.0
"""Seconds that a host may take to boot, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a host is to be.

    Attributes:
        number: 1 to 240; names and addresses follow from it.
        engine: The version of its Docker engine, one of `hostroot.ENGINES`; empty for none, only SSH.
        disk: `dir` for a folder on the machine's disk, or `tmpfs:SIZE` or `loop:SIZE` (ext4) for a disk of its own
            that can be filled; a tmpfs does not outlive a power cut.
    """

    number: int
    engine: str = hostroot.USUAL
    disk: str = "dir"

    @property
    def name(self) -> str:
        return f"h{self.number}"


def up(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Bring the usual hosts up, or those that are not up."""
    return ensure(layout, parts, [Spec(number) for number in range(1, USUAL + 1)])


def ensure(layout: Layout, parts: dict[str, state.Part], specs: Sequence[Spec]) -> state.Part:
    """Bring up the hosts `specs`; one that is up and as wanted stays, one that is otherwise is made anew."""
    network = switch.ensure(layout, parts)
    wanted = [spec for spec in specs if not (up_as(layout, spec))]
    for spec in wanted:
        remove(layout, spec.name)
    engine.client(layout)
    keys.ensure(layout, [spec.name for spec in wanted])
    for spec in wanted:
        _prepare(layout, spec)
    boot(layout, network, wanted)
    write_config(layout)
    environment = {
        "STAGECRAFT_TESTBED_HOSTS": str(layout.root),
        "STAGECRAFT_TESTBED_SSH_CONFIG": str(keys.config(layout)),
    }
    parts["hosts"] = state.Part(None, environment, {"boot": state.this_boot()})
    state.save(layout, parts)
    return parts["hosts"]


def boot(layout: Layout, network: Switch, specs: Sequence[Spec]) -> None:
    """Start prepared hosts that are not running, all at once, and wait until they are ready."""
    started = {spec.number: _start(layout, network, spec) for spec in specs}
    own = Path("/proc/self/ns/net").stat().st_ino
    for number, process in started.items():
        if not processes.wait_until(partial(_left, process.pid, own), SLOWEST_BOOT, 0.005):
            raise TestbedError(f"host h{number} did not start", f"read {layout.hosts}/h{number}/boot.log")
    if started:
        switch.plug(layout, network, {number: process.pid for number, process in started.items()})
    for spec in specs:
        log = folder(layout, spec.name) / "boot.log"
        ready = _readiness(layout, network, spec)
        processes.wait_ready(f"host {spec.name}", started[spec.number], ready, log, SLOWEST_BOOT)


def cut_power(layout: Layout, name: str) -> None:
    """End a host at once; its disk stays, unless it is a tmpfs."""
    for process in processes.started_with(str(folder(layout, name))):
        processes.stop(process, grace=0.0)
    switch.unplug(layout, int(name.removeprefix("h")))


def remove(layout: Layout, name: str) -> None:
    """End a host and delete its disk."""
    if not folder(layout, name).exists():
        return
    cut_power(layout, name)
    shutil.rmtree(folder(layout, name), ignore_errors=True)
    if folder(layout, name).exists():  # the kernel may still be unmounting
        shutil.rmtree(folder(layout, name))


def down(layout: Layout, parts: dict[str, state.Part]) -> None:
    """End all hosts, and take away what they left on the machine; their keys stay."""
    running = processes.started_with(*(str(folder(layout, name)) for name in names(layout)))
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda process: processes.stop(process, grace=0.0), running))
    if layout.hosts.exists():
        shutil.rmtree(layout.hosts)
    cgroups.remove(switch.bridge_name(layout), cgroups.MOUNT + 'exec "$@"\n')
    switch.remove(layout)
    parts.pop("hosts", None)


def names(layout: Layout) -> list[str]:
    """Return the names of the hosts that have a folder, by number."""
    found = [path.name for path in layout.hosts.glob("h*") if path.name[1:].isdigit()]
    return sorted(found, key=lambda name: int(name[1:]))


def all_specs(layout: Layout) -> list[Spec]:
    """Return what the hosts are that have a folder, by number."""
    files = [folder(layout, name) / "spec.json" for name in names(layout)]
    return [Spec(**json.loads(file.read_text())) for file in files if file.exists()]


def write_config(layout: Layout) -> None:
    """Write the SSH client's files anew, for the hosts that there are."""
    if network := switch.current(layout):
        keys.write_config(layout, {spec.name: network.address(spec.number) for spec in all_specs(layout)})


def folder(layout: Layout, name: str) -> Path:
    return layout.hosts / name


def process_of(layout: Layout, name: str) -> Process | None:
    """Return the process whose namespaces are the host's, or None while its power is cut."""
    return processes.recorded(folder(layout, name) / "process.json")


def up_as(layout: Layout, spec: Spec) -> bool:
    """Say whether a host is up and as `spec` wants it."""
    return spec in all_specs(layout) and process_of(layout, spec.name) is not None


def engine_socket(layout: Layout, name: str) -> Path:
    """Return the socket by which the machine, past SSH, talks to the host's engine."""
    return folder(layout, name) / "run/docker.sock"


def _prepare(layout: Layout, spec: Spec) -> None:
    """Lay out the folder of a new host."""
    home = folder(layout, spec.name)
    for name in ("disk", "root", "run"):
        (home / name).mkdir(parents=True)
    home.chmod(0o755)
    (home / "run").chmod(0o700)
    files = home / "files"
    (files / "etc/docker").mkdir(parents=True)
    (files / "etc/docker/daemon.json").write_text(json.dumps(_engine_settings(layout, spec), indent=1) + "\n")
    (files / "etc/ssh").mkdir()
    for suffix in ("", ".pub"):
        key = keys.host_key(layout, spec.name)
        shutil.copy(key.with_name(key.name + suffix), files / f"etc/ssh/ssh_host_ed25519_key{suffix}")
    for user, number, place in (("root", 0, "root"), (hostroot.USER, hostroot.NUMBER, f"home/{hostroot.USER}")):
        _allow(files / place, keys.public(keys.client_key(layout, user)), number)
    (home / "spec.json").write_text(json.dumps(asdict(spec)) + "\n")


def _allow(home: Path, key: str, owner: int) -> None:
    """Make a home folder whose owner may log in with `key`."""
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / ".ssh/authorized_keys").write_text(key + "\n")
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        shutil.chown(path, owner, owner)
    (home / ".ssh/authorized_keys").chmod(0o600)


def _engine_settings(layout: Layout, spec: Spec) -> dict[str, object]:
    network = switch.current(layout)
    assert network is not None
    return {
        "insecure-registries": [str(network.network)],
        "cgroup-parent": f"/{network.bridge}/{spec.name}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "dns": [network.machine],
    }


def _start(layout: Layout, network: Switch, spec: Spec) -> Process:
    home = folder(layout, spec.name)
    environment = {
        "PATH": tools.search_path(layout),
        "FOLDER": str(home),
        "LOWER": str(hostroot.build(layout, spec.engine or hostroot.USUAL)),
        "DISK": spec.disk,
        "NAME": spec.name,
        "ADDRESS": network.address(spec.number),
        "GATEWAY": network.machine,
        "ENGINE": "yes" if spec.engine else "no",
    }
    command = ["sh", "-eu", "-c", cgroups.MOUNT + '. "$1"', "host", str(BOOT), str(home)]
    process = processes.start(command, log=home / "boot.log", environment=environment, namespaces=NAMESPACES)
    processes.record(process, home / "process.json")
    return process


def _readiness(layout: Layout, network: Switch, spec: Spec) -> Callable[[], bool]:
    def ready() -> bool:
        if not probes.ssh_answers(network.address(spec.number), 22):
            return False
        return not spec.engine or probes.engine_answers(str(engine_socket(layout, spec.name)))

    return ready


def _left(pid: int, network: int) -> bool:
    """Say whether a process is in another network namespace than the one of that number."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino != network
    except OSError:
        return False
