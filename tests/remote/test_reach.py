"""Reach servers as an OpenSSH user expects, know them by their keys, and say in plain words why one cannot be reached."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.errors import PartialFailure, ProviderError, Refused, TimedOut, UserError
from stagecraft_hookspecs.values import Command, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.route import Router
from tests.remote.conftest import Server, StartServer, free_port, make_key


def say(fleet: Fleet, host: Host) -> str:
    return fleet.machine(host, Scope()).run(Command(("echo", "here"))).stdout


def error_of(server: Server, host: Host | None = None) -> ProviderError:
    with closing(server.fleet()) as fleet, pytest.raises(ProviderError) as caught:
        say(fleet, host or server.host)
    assert caught.value.hint
    return caught.value


def fingerprint(public: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, check=True).stdout
    return shown.split()[1]


def test_the_first_contact_is_recorded_and_told(server: Server) -> None:
    told: list[str] = []
    for _ in range(2):
        with closing(server.fleet(told.append)) as fleet:
            assert say(fleet, server.host) == "here\n"
    assert len(told) == 1
    assert fingerprint(server.folder / "host_key.pub") in told[0]
    public = (server.folder / "host_key.pub").read_text().split()
    assert server.known_hosts.read_text() == f"[127.0.0.1]:{server.port} {public[0]} {public[1]}\n"


@pytest.mark.parametrize("hashed", [False, True])
def test_the_users_known_hosts_are_known(server: Server, hashed: bool) -> None:
    public = (server.folder / "host_key.pub").read_text().split()
    known = server.folder / "user_known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {public[0]} {public[1]}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
        assert known.read_text().startswith("|1|")
    told: list[str] = []
    with closing(server.fleet(told.append)) as fleet:
        assert say(fleet, server.host) == "here\n"
    assert told == []
    assert not server.known_hosts.exists()


def test_a_changed_key_stops_the_run(server: Server, sshd: StartServer) -> None:
    with closing(server.fleet()) as fleet:
        say(fleet, server.host)
    server.stop()
    old = fingerprint(server.folder / "host_key.pub")
    for name in ("host_key", "host_key.pub"):
        (server.folder / name).unlink()
    again = sshd(folder=server.folder, port=server.port)
    before = again.known_hosts.read_bytes()
    with closing(again.fleet()) as fleet, pytest.raises(Refused, match="has changed") as caught:
        say(fleet, again.host)
    said = caught.value.message
    assert old in said
    assert fingerprint(server.folder / "host_key.pub") in said
    assert f"{again.known_hosts}:1" in said
    assert "web" in said
    assert "remove that line" in caught.value.hint
    assert again.known_hosts.read_bytes() == before


def test_a_server_is_asked_for_the_kind_of_key_it_is_known_by(sshd: StartServer, tmp_path: Path) -> None:
    rsa = make_key(tmp_path / "rsa_host_key", "rsa")
    server = sshd(f"HostKey {rsa}")
    kind, key = (tmp_path / "rsa_host_key.pub").read_text().split()[:2]
    (server.folder / "user_known_hosts").write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    with closing(server.fleet()) as fleet:
        assert say(fleet, server.host) == "here\n"
    assert not server.known_hosts.exists()


def test_many_first_contacts_at_once_lose_no_line(sshd: StartServer) -> None:
    servers = [sshd() for _ in range(4)]
    first = servers[0]
    for other in servers[1:]:
        shutil.copy(first.folder / "id.pub", other.folder / "authorized_keys")
    hosts = [attrs.evolve(s.host, name=f"web{n}") for n, s in enumerate(servers)]
    with closing(first.fleet()) as one, closing(first.fleet()) as two, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda fleet: fleet.connect_all(hosts), (one, two)))
    assert len(first.known_hosts.read_text().splitlines()) == 4


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_keys_of_every_kind(server: Server, kind: str) -> None:
    key = make_key(server.folder / "other", kind)
    shutil.copy(f"{key}.pub", server.folder / "authorized_keys")
    server.config.write_text(server.config.read_text().replace(f"{server.folder}/id\n", f"{key}\n"))
    with closing(server.fleet()) as fleet:
        assert say(fleet, server.host) == "here\n"


def test_a_key_with_a_certificate(sshd: StartServer, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    server = sshd(f"TrustedUserCAKeys {authority}.pub")
    (server.folder / "authorized_keys").write_text("")
    error_of(server)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", server.host.user, f"{server.folder}/id.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    with closing(server.fleet()) as fleet:
        assert say(fleet, server.host) == "here\n"


def test_a_refused_key_says_what_was_tried(server: Server) -> None:
    (server.folder / "authorized_keys").write_text("")
    error = error_of(server)
    assert re.search(rf"accepted none of the keys; tried: .*{server.folder}/id", error.message)
    assert f"127.0.0.1:{server.port}" in error.message


def test_a_key_with_a_passphrase_needs_the_agent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(server.folder / "locked", passphrase="open sesame")
    shutil.copy(f"{key}.pub", server.folder / "authorized_keys")
    server.config.write_text(server.config.read_text().replace(f"{server.folder}/id\n", f"{key}\n"))
    error = error_of(server)
    assert f"{key} has a passphrase" in error.message
    assert f"ssh-add {key}" in error.hint
    socket_path = server.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not socket_path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        ask = server.folder / "ask"
        ask.write_text("#!/bin/sh\necho open sesame\n")
        ask.chmod(0o700)
        environ = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(key)], env=environ, check=True, stdin=subprocess.DEVNULL)
        with closing(server.fleet()) as fleet:
            assert say(fleet, server.host) == "here\n"
    finally:
        agent.terminate()
        agent.wait(10)


def test_refused_unknown_and_silent(server: Server) -> None:
    closed = Host("gone", "127.0.0.1", "deploy", free_port())
    assert "gone (deploy@127.0.0.1:" in error_of(server, closed).message
    assert "refused the connection" in error_of(server, closed).message
    assert "is not known" in error_of(server, Host("no-such-host.invalid")).message
    server.config.write_text(server.config.read_text() + "  ConnectTimeout 1\n")
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        started = time.monotonic()
        error = error_of(server, Host("mute", "127.0.0.1", "deploy", mute.getsockname()[1]))
    assert isinstance(error, TimedOut) or "ended the connection" in error.message
    assert time.monotonic() - started < 40


def test_errors_of_several_hosts_are_kept(server: Server) -> None:
    bad = [Host("bad1", "127.0.0.1", "x", free_port()), Host("bad2", "127.0.0.1", "x", free_port())]
    with closing(server.fleet()) as fleet:
        with pytest.raises(PartialFailure, match="2 of 3 hosts failed: bad1, bad2") as caught:
            fleet.connect_all([server.host, *bad])
        assert [line.partition(" ")[0] for line in caught.value.detail.splitlines()] == ["bad1:", "bad2:"]
        assert say(fleet, server.host) == "here\n"
        with pytest.raises(ProviderError, match="2 of 2 hosts failed"):
            fleet.connect_all(bad)


def test_two_jump_hosts_carry_all_and_are_verified(sshd: StartServer) -> None:
    first, second, target = sshd(), sshd(), sshd()
    for other in (second, target):
        shutil.copy(first.folder / "id.pub", other.folder / "authorized_keys")
    user = first.host.user
    text = first.config.read_text()
    first.config.write_text(
        f"Host outer\n  HostName 127.0.0.1\n  Port {first.port}\nHost inner\n  HostName 127.0.0.1\n  Port {second.port}\n"
        f"Host app-*\n  HostName 127.0.0.1\n  Port {target.port}\n  ProxyJump {user}@outer,inner\n{text}"
    )
    told: list[str] = []
    with closing(first.fleet(told.append)) as fleet:
        hosts = [Host(f"app-{n}") for n in range(6)]
        fleet.connect_all(hosts)
        assert [say(fleet, host) for host in hosts] == ["here\n"] * 6
    accepted = [(s.folder / "sshd.log").read_text().count("Accepted publickey") for s in (first, second, target)]
    assert accepted == [1, 1, 6]
    assert {line.split()[0] for line in first.known_hosts.read_text().splitlines()} == {
        f"[127.0.0.1]:{s.port}" for s in (first, second, target)
    }
    assert len(told) == 3
    second.stop()
    with closing(first.fleet()) as fleet, pytest.raises(ProviderError, match="jump host: inner"):
        say(fleet, hosts[0])


def test_a_proxy_command(server: Server) -> None:
    relay = server.folder / "relay.py"
    relay.write_text(
        "import socket, sys, threading, os\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    import sys

    server.config.write_text(server.config.read_text() + f"  ProxyCommand {sys.executable} {relay} %h %p\n")
    with closing(server.fleet()) as fleet:
        assert say(fleet, server.host) == "here\n"


def test_the_configuration_as_ssh_reads_it(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host app-3\n  Port 2203\nHost app-1\n  Port 9999\n")
    config = tmp_path / "config"
    config.write_text(
        f"Host app-1\n  HostName 10.0.0.1\n  User one\n  Port=2201\n"
        f"Include {tmp_path}/mor*\n"
        f"Match host app-2\n  User two\n  Include {tmp_path}/more\n"
        f"Host *\n  User rest\n  ServerAliveInterval 7\n  UserKnownHostsFile {tmp_path}/a {tmp_path}/b\n"
    )
    router = Router({"STAGECRAFT_SSH_CONFIG": str(config)})
    for name in ("app-1", "app-2", "app-3", "other"):
        shown = subprocess.run(
            ["ssh", "-G", "-F", str(config), name], capture_output=True, text=True, check=True
        ).stdout
        expected = dict(line.split(" ", 1) for line in shown.splitlines())
        route = router.route(Host(name))
        assert (route.address, str(route.port), route.user, str(int(route.interval)), str(route.timeout)) == (
            expected["hostname"],
            expected["port"],
            expected["user"],
            expected["serveraliveinterval"],
            "10.0",
        ), name
        assert " ".join(map(str, route.known_hosts[:2])) == expected["userknownhostsfile"]
    own = router.route(Host("app-1", "10.9.9.9", "me", 2222))
    assert (own.address, own.port, own.user) == ("10.9.9.9", 2222, "me")
    with pytest.raises(UserError, match="which is not a file"):
        Router({"STAGECRAFT_SSH_CONFIG": str(tmp_path / "missing")})


def test_no_handshake_is_dropped_at_sshds_own_limits(sshd: StartServer) -> None:
    server = sshd("MaxStartups 10:30:100")
    hosts = [attrs.evolve(server.host, name=f"web{n:02}") for n in range(30)]
    with closing(server.fleet()) as fleet:
        fleet.connect_all(hosts)
        assert [say(fleet, host) for host in hosts] == ["here\n"] * 30
    log = (server.folder / "sshd.log").read_text()
    assert log.count("Accepted publickey") == 30
    assert "drop connection" not in log
    assert "MaxStartups" not in log


def test_fifty_hosts_through_one_bastion_at_sshds_own_limits(sshd: StartServer) -> None:
    bastion, target = sshd("MaxStartups 10:30:100"), sshd("MaxStartups 10:30:100")
    shutil.copy(bastion.folder / "id.pub", target.folder / "authorized_keys")
    text = bastion.config.read_text()
    bastion.config.write_text(
        f"Host front\n  HostName 127.0.0.1\n  Port {bastion.port}\n"
        f"Host app-*\n  HostName 127.0.0.1\n  Port {target.port}\n  ProxyJump {bastion.host.user}@front\n{text}"
    )
    hosts = [Host(f"app-{n:02}") for n in range(50)]
    with closing(bastion.fleet()) as fleet:
        fleet.connect_all(hosts)
        assert [say(fleet, host) for host in hosts] == ["here\n"] * 50
    for server, logins in ((bastion, 1), (target, 50)):
        log = (server.folder / "sshd.log").read_text()
        assert log.count("Accepted publickey") == logins
        assert "drop connection" not in log
        assert "MaxStartups" not in log


def test_the_agents_key_that_the_configuration_names_is_offered_first(
    server: Server, sshd: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent with more keys than a server lets one try does not lock its user out."""
    strict = sshd("MaxAuthTries 2")
    shutil.copy(server.folder / "id.pub", strict.folder / "authorized_keys")
    socket_path = server.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not socket_path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        others = [make_key(server.folder / f"other{n}") for n in range(4)]
        for key in (*others, server.folder / "id"):
            subprocess.run(["ssh-add", "-q", str(key)], check=True, stdin=subprocess.DEVNULL)
        # the agent alone has the private half; the file named is its public one
        (server.folder / "id").unlink()
        server.config.write_text(server.config.read_text().replace("  IdentitiesOnly yes\n", ""))
        with closing(server.fleet()) as fleet:
            assert say(fleet, attrs.evolve(strict.host, name="strict")) == "here\n"
    finally:
        agent.terminate()
        agent.wait(10)


def test_a_drop_before_login_is_tried_again(server: Server) -> None:
    """A server that hangs up on the first two who call is called a third time."""
    calls = []
    with closing(socket.create_server(("127.0.0.1", 0))) as front:

        def serve() -> None:
            while True:
                try:
                    near, _ = front.accept()
                except OSError:
                    return
                calls.append(1)
                if len(calls) <= 2:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", server.port))
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(a, b), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        with closing(server.fleet()) as fleet:
            assert say(fleet, attrs.evolve(server.host, port=front.getsockname()[1])) == "here\n"
    assert len(calls) == 3


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    sink.close()
