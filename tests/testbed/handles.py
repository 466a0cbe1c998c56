"""Give tests a grip on each host: from outside, past SSH, so that a verdict does not rest on what is tested."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import hosts, keys, processes, state, switch, tools
from .hostroot import USER
from .hosts import Spec
from .layout import Layout, TestbedError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE = 120.0
"""Seconds that a command on a host may take unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class TestHost:
    """A host that was brought up, running or not.

    Attributes:
        layout: The testbed it belongs to.
        spec: What it was made as: number, engine, disk.
        address: Its IPv4 address, reached from the machine and from the other hosts.
        port: Where its SSH server listens.
        user: An account without root's rights, in the group `docker`.
        key: The private key that logs in as `user`; `root_key` the one for root.
        known_hosts: A file with the keys of all hosts.
        ssh_config: A client configuration in which the host is called `name`, and `name-root` for root.
    """

    __test__ = False  # pytest must not collect it

    layout: Layout
    spec: Spec
    address: str
    key: Path
    root_key: Path
    known_hosts: Path
    ssh_config: Path
    port: int = 22
    user: str = USER

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def docker_host(self) -> str:
        """The engine's own socket, as the machine's root reaches it: works whatever becomes of SSH and the network."""
        return f"unix://{hosts.engine_socket(self.layout, self.name)}"

    @property
    def ssh_url(self) -> str:
        return f"ssh://{self.user}@{self.address}:{self.port}"

    @property
    def running(self) -> bool:
        return hosts.process_of(self.layout, self.name) is not None

    @property
    def pid(self) -> int:
        """The host's first process, by its number on the machine; another one after each boot."""
        process = hosts.process_of(self.layout, self.name)
        inside = processes.children(process.pid) if process else []
        if not inside:
            raise TestbedError(f"host {self.name} is not running", "boot it: faults.boot(host)")
        return inside[0]

    def enter(self, *command: str) -> list[str]:
        """Return the argv that runs `command` on the host as root, past SSH."""
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
        return ["nsenter", "--target", str(self.pid), *namespaces, "env", "-i", f"PATH={PATH}", "HOME=/root", *command]

    def sh(self, script: str, *, check: bool = True, stdin: str = "", timeout: float = PATIENCE) -> str:
        """Run a shell script on the host as root, past SSH; return what it prints.

        Raises:
            TestbedError: It ended with another code than 0, and `check` was not turned off.
        """
        return _run(self.enter("sh", "-c", script), None, check, stdin, timeout)

    def docker(self, *arguments: str, check: bool = True, stdin: str = "", timeout: float = PATIENCE) -> str:
        """Run the Docker client against the host's own socket, from outside; return what it prints."""
        environment = {**tools.server_environment(self.layout), "DOCKER_HOST": self.docker_host}
        environment["DOCKER_CONFIG"] = str(self.layout.root / "docker-config")
        command = [str(self.layout.bin / "docker"), *arguments]
        return _run(command, environment, check, stdin, timeout)

    def ssh(self, *command: str, user: str = USER, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command over SSH as a test's user would, in a new connection; return how it ended."""
        alias = self.name if user == self.user else f"{self.name}-{user}"
        argv = [tools.path_of(self.layout, "ssh"), "-F", str(self.ssh_config), "-oConnectTimeout=5", alias, *command]
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL
        )


def open_host(layout: Layout, spec: Spec) -> TestHost:
    """Return the grip on a host that was brought up."""
    network = switch.current(layout)
    if network is None:
        raise TestbedError("the hosts are not up", "bring them up: python3 -m tests.testbed up hosts")
    return TestHost(
        layout,
        spec,
        network.address(spec.number),
        keys.client_key(layout, USER),
        keys.client_key(layout, "root"),
        keys.known_hosts(layout),
        keys.config(layout),
    )


def open_all(layout: Layout) -> tuple[TestHost, ...]:
    """Return all hosts that were brought up, by number."""
    return tuple(open_host(layout, spec) for spec in hosts.all_specs(layout))


def bring_up(layout: Layout, *specs: Spec) -> tuple[TestHost, ...]:
    """Bring up the hosts `specs`, all at once; those that are up as wanted stay."""
    if os.geteuid() != 0:
        raise TestbedError("hosts need root", "run the tests as root")
    with state.locked(layout):
        hosts.ensure(layout, state.load(layout), specs)
    return tuple(open_host(layout, spec) for spec in specs)


def more(layout: Layout, count: int, first: int = hosts.USUAL + 1, **wanted: str) -> tuple[TestHost, ...]:
    """Bring up `count` more hosts, all at once, with the first free numbers from `first` on.

    `wanted` are `engine` and `disk` of `Spec`.
    """
    taken = {spec.number for spec in hosts.all_specs(layout)}
    free = [number for number in range(first, switch.MOST + 1) if number not in taken][:count]
    if len(free) < count:
        raise TestbedError(f"a testbed has at most {switch.MOST} hosts", "take it down, and bring up fewer")
    return bring_up(layout, *(Spec(number, **wanted) for number in free))


def take_down(*gone: TestHost) -> None:
    """End hosts and delete their disks."""
    for host in gone:
        with state.locked(host.layout):
            hosts.remove(host.layout, host.name)
            hosts.write_config(host.layout)


def clean(host: TestHost) -> None:
    """Remove all containers, volumes and networks of a host, and what a deployer left in its usual folders; images stay."""
    if not host.spec.engine:
        host.sh(FORGET)
        return
    host.sh(EMPTY_ENGINE + FORGET)


EMPTY_ENGINE = """
for id in $(docker ps -aq); do ids="${ids:-} $id"; done
[ -z "${ids:-}" ] || docker rm -f -v $ids >/dev/null
docker network prune -f >/dev/null
docker volume prune -a -f >/dev/null
"""
FORGET = """
rm -rf ~root/.stagecraft /home/*/.stagecraft /srv/* /opt/stagecraft /etc/stagecraft /var/lib/stagecraft /run/stagecraft /tmp/* \
    ~root/.docker /home/*/.docker
"""


def _run(command: list[str], environment: dict[str, str] | None, check: bool, stdin: str, timeout: float) -> str:
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=timeout
    )
    if done.returncode and check:
        said = done.stderr.strip() or done.stdout.strip() or "no message"
        raise TestbedError(f"`{' '.join(command[-3:])}` ended with {done.returncode}: {said}")
    return done.stdout
