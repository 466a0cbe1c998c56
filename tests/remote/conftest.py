"""Servers for the tests: an sshd of our own on a loopback port, and the testbed's hosts."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.values import Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.machine import RemoteMachine
from tests.testbed.fixtures import *  # noqa: F403


@attrs.define
class Server:
    """One sshd: its folder holds its keys, the user's key, and the client's configuration."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / ".stagecraft" / "known_hosts"

    @property
    def host(self) -> Host:
        return Host("web", "127.0.0.1", getpass.getuser(), self.port)

    def fleet(self, log: Callable[[str], None] = lambda _: None) -> Fleet:
        return Fleet(self.folder, log, {"STAGECRAFT_SSH_CONFIG": str(self.config)})

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


StartServer = Callable[..., Server]


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)], check=True)
    return path


def start_sshd(folder: Path, *options: str, port: int = 0) -> Server:
    """Start an sshd that lets the current user in with the key ``folder/id``."""
    if not (folder / "host_key").exists():
        make_key(folder / "host_key")
    if not (folder / "id").exists():
        make_key(folder / "id")
    port = port or free_port()
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_key",
        f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        *options,
    ]
    if not (folder / "authorized_keys").exists():
        shutil.copy(folder / "id.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    if not (folder / "ssh_config").exists():
        (folder / "ssh_config").write_text(
            f"Host *\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/user_known_hosts\n"
            "  GlobalKnownHostsFile none\n"
        )
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
    assert sshd
    with (folder / "sshd.log").open("ab") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Server(folder, port, process)
        time.sleep(0.02)
    raise AssertionError((folder / "sshd.log").read_text())


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[StartServer]:
    """Return a function that starts an sshd with further options."""
    with ExitStack() as stack:
        started: list[Server] = []

        def start(*options: str, folder: Path | None = None, port: int = 0) -> Server:
            place = folder or tmp_path / f"server{len(started)}"
            place.mkdir(parents=True, exist_ok=True)
            server = start_sshd(place, *options, port=port)
            started.append(server)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def server(sshd: StartServer) -> Server:
    return sshd()


@pytest.fixture
def machine(server: Server) -> Iterator[RemoteMachine]:
    """Return the loopback server as a machine."""
    with closing(server.fleet()) as fleet:
        yield fleet.machine(server.host, Scope())
