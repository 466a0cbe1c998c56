"""The testbed's own parts, as far as they can be tried without an engine."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.testbed import TestbedError, apt, cgroups, needs, network, probes, processes, state
from tests.testbed.layout import Layout, checked
from tests.testbed.network import Network
from tests.testbed.processes import Process
from tests.testbed.recipes import RECIPES

TARGETS = """\
http://archive.example/debian-security/ bookworm-security main
http://archive.example/debian/ bookworm-updates main
http://archive.example/debian/ bookworm contrib
http://archive.example/debian/ bookworm main
"""
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000C90A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0
br0\t0000CA0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


# --- packages


def test_other_suites_come_from_the_archive_that_serves_this_machines_own() -> None:
    assert apt.archive_uri(TARGETS, "bookworm") == "http://archive.example/debian/"


def test_a_machine_without_its_own_main_archive_gets_a_clear_error() -> None:
    with pytest.raises(TestbedError, match="no apt source of this machine offers trixie main") as caught:
        apt.archive_uri(TARGETS, "trixie")
    assert "/etc/apt/sources.list.d" in caught.value.hint


def test_lists_are_taken_only_with_the_archives_signature() -> None:
    entry = apt.source_entry("http://archive.example/debian/", "trixie")
    assert entry == f"deb [signed-by={apt.KEYRING}] http://archive.example/debian/ trixie main\n"
    options = " ".join(apt.Suite("trixie", Path("/cache/trixie")).options)
    assert "Acquire::AllowInsecureRepositories=false" in options
    assert "APT::Get::AllowUnauthenticated=false" in options


def test_apt_reads_and_writes_only_below_the_cache() -> None:
    settings = dict(option[2:].split("=", 1) for option in apt.Suite("trixie", Path("/c/trixie")).options[1:])
    folders = {name: value for name, value in settings.items() if name.startswith("Dir::") and value.startswith("/")}
    assert folders.pop("Dir::Etc::sourceparts") == "/nonexistent"
    assert set(folders) >= {
        "Dir::State",
        "Dir::State::lists",
        "Dir::State::status",
        "Dir::Cache",
        "Dir::Cache::archives",
    }
    assert all(value.startswith("/c/trixie") for value in folders.values())


# --- addresses


def test_routes_are_read_without_the_default_route() -> None:
    assert [str(route) for route in network.routes(ROUTES)] == ["10.201.0.0/20", "10.202.0.0/16"]


def test_the_network_is_the_first_that_no_route_leads_into() -> None:
    assert network.choose(ROUTES).whole == Network(203).whole
    assert network.choose("header\n").whole == Network(201).whole


def test_a_networks_rules_and_pool_stay_inside_it() -> None:
    net = Network(201)
    assert net.pool == "base=10.201.128.0/17,size=26"
    assert len(net.bridge) <= 15  # the kernel's limit for interface names
    for _, _, *rule in net.rules:
        assert "10.201.0.0/16" in rule
        assert rule[rule.index("--comment") + 1] == net.bridge


# --- what is recorded


def test_a_record_reads_back_and_is_for_its_owner_only(tmp_path: Path) -> None:
    parts = {
        "docker": state.Part(Process(7, "boot:1"), {"DOCKER_HOST": "unix:///x"}, {"octet": "201"}),
        "node": state.Part(None, {}),
    }
    layout = Layout(tmp_path)
    state.save(layout, parts)
    assert state.load(layout) == parts
    assert layout.state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", '{"schema": 99, "parts": {}}'])
def test_a_torn_or_foreign_record_counts_as_none(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    layout.state.write_text(content)
    assert state.load(layout) == {}


def test_a_number_given_to_another_process_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        stale = Process(other.pid, "an-earlier-boot:1")
        assert not processes.alive(stale)
        processes.stop(stale)
        assert other.poll() is None
        assert processes.alive(Process(other.pid, processes.born(other.pid) or ""))
        other.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of this kind need root")
def test_stopping_a_server_ends_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; sleep 1000 & sleep 1000 & echo up; wait; wait; wait"
    server = processes.start(["sh", "-c", script], log=log, environment={"PATH": os.environ["PATH"]})
    assert processes.wait_until(lambda: log.exists() and "up" in log.read_text(), 5)
    assert processes.started_with(script) == [server]
    family = [server.pid, *_descendants(server.pid)]
    assert len(family) == 4  # unshare, the shell, two sleeps
    processes.stop(server, grace=0.1)
    assert not processes.alive(server)
    assert processes.wait_until(lambda: not any(processes.born(pid) for pid in family), 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of this kind need root")
def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "echo cannot listen; exit 3"]
    server = processes.start(command, log=log, environment={"PATH": os.environ["PATH"]})
    with pytest.raises(TestbedError, match="the server did not start: cannot listen"):
        processes.wait_ready("the server", server, lambda: False, log)


def test_a_path_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(TestbedError, match="longer than 70 characters"):
        checked(Layout(Path("/" + "x" * 70)))


# --- control groups


def _group(tmp_path: Path, *files: str) -> Path:
    for name in files:
        (tmp_path / name).write_text("cpu memory\n" if name == "cgroup.controllers" else "")
    return tmp_path


def test_the_processes_of_a_containers_group_make_room_for_children(tmp_path: Path) -> None:
    base = _group(tmp_path, "cgroup.type", "cgroup.controllers", "cgroup.procs", "cgroup.subtree_control")
    (base / "cgroup.procs").write_text("41\n")
    cgroups.make_room(base)
    assert (base / "init/cgroup.procs").read_text() == "41"
    assert (base / "cgroup.subtree_control").read_text() == "+memory"  # one write for each; a file keeps the last


@pytest.mark.parametrize("files", [("cgroup.controllers", "cgroup.procs"), ("tasks",)], ids=["true root", "version 1"])
def test_other_groups_are_left_as_they_are(tmp_path: Path, files: tuple[str, ...]) -> None:
    base = _group(tmp_path, *files)
    cgroups.make_room(base)
    assert sorted(path.name for path in base.iterdir()) == sorted(files)


# --- what is there


def test_a_part_that_is_not_there_is_missing_with_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("STAGECRAFT_TEST_POSTGRES", raising=False)
    monkeypatch.setenv("STAGECRAFT_TEST_MARIADB", f"mysql://u:p@127.0.0.1:{_closed_port()}/test")
    found = needs.probe()
    assert found["docker"] == needs.Missing("the command docker is not there")
    assert found["node"] == needs.Missing("the command node is not there")
    assert found["postgres"] == needs.Missing("STAGECRAFT_TEST_POSTGRES is not set")
    assert isinstance(found["mariadb"], needs.Missing)
    assert "no server answers at 127.0.0.1:" in found["mariadb"].reason
    assert "u:p" not in found["mariadb"].reason


@pytest.mark.parametrize(
    ("reply", "postgres", "mariadb"),
    [
        (b"R\0\0\0\x08\0\0\0\0", True, False),  # AuthenticationOk
        (b"E\0\0\0\x10starting up", False, False),  # ErrorResponse
        (b"\x4a\0\0\0\x0a11.8", False, True),  # HandshakeV10
        (b"HTTP/1.0 400\r\n", False, False),
        (b"", False, False),
    ],
)
def test_a_server_is_known_by_its_first_bytes(reply: bytes, postgres: bool, mariadb: bool) -> None:
    with _replying(reply) as port:
        assert probes.postgres_answers("127.0.0.1", port, "u") is postgres
    with _replying(reply) as port:
        assert probes.mariadb_answers("127.0.0.1", port) is mariadb


def test_no_two_recipes_make_the_same_tag() -> None:
    tags = [tag for recipe in RECIPES for tag in recipe.tags]
    assert sorted(set(tags)) == sorted(tags)
    assert {"python:3.11-slim", "node:22-slim", "busybox:latest", "postgres:16", "redis:7"} <= set(tags)


def _descendants(pid: int) -> list[int]:
    return [each for child in processes.children(pid) for each in (child, *_descendants(child))]


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _replying(reply: bytes) -> Iterator[int]:
    """Serve one connection on loopback that gets `reply`, then end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the asker may have heard enough and gone
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):  # take the request, so that closing does not reset
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()
