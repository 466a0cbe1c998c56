"""Each fault does what it says, to its host alone, and is undone."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.testbed import TestbedError, faults, images
from tests.testbed.fixtures import *  # noqa: F403  fixtures
from tests.testbed.fixtures import MakeHost
from tests.testbed.handles import TestHost
from tests.testbed.processes import wait_until

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(180)]
Hosts = tuple[TestHost, ...]


def connect(host: TestHost, port: int = 22) -> str:
    """Return `open`, `refused`, or `silent` after a second."""
    try:
        with socket.create_connection((host.address, port), timeout=1.0):
            return "open"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"
    except OSError as error:
        return str(error)


# --- the network


def test_a_cut_host_is_silent_and_the_others_are_not(clean_hosts: Hosts) -> None:
    with faults.cut(clean_hosts[0]):
        assert connect(clean_hosts[0]) == "silent"
        assert connect(clean_hosts[1]) == "open"
        assert clean_hosts[0].docker("ps", "-q") == ""  # the verdict does not go by the network
    assert connect(clean_hosts[0]) == "open"


def test_dropping_ssh_leaves_other_ports_alone(clean_hosts: Hosts) -> None:
    with faults.port_taken(clean_hosts[0], 8080), faults.dropped(clean_hosts[0], port=22):
        assert connect(clean_hosts[0]) == "silent"
        assert connect(clean_hosts[0], 8080) == "open"
    assert connect(clean_hosts[0]) == "open"


def test_dropping_all_is_silent_on_every_port(clean_hosts: Hosts) -> None:
    with faults.port_taken(clean_hosts[0], 8080), faults.dropped(clean_hosts[0]):
        assert connect(clean_hosts[0]) == connect(clean_hosts[0], 8080) == "silent"
    assert connect(clean_hosts[0]) == "open"


def test_a_rejected_connection_is_refused_at_once(clean_hosts: Hosts) -> None:
    with faults.rejected(clean_hosts[0]):
        assert connect(clean_hosts[0]) == "refused"
        assert connect(clean_hosts[1]) == "open"
    assert connect(clean_hosts[0]) == "open"


def test_a_taken_port_cannot_be_published(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    images.put(host, "busybox:latest")
    run = ("run", "-d", "-p", "8080:80", "busybox:latest", "sleep", "1000")
    with faults.port_taken(host, 8080):
        with pytest.raises(TestbedError, match="address already in use"):
            host.docker(*run)
        with pytest.raises(TestbedError, match="nobody can listen on port 8080 of h1"), faults.port_taken(host, 8080):
            pass
    host.docker(*run)


# --- SSH


@contextmanager
def session(host: TestHost, script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script over SSH, with its output to read."""
    command = ["ssh", "-F", str(host.ssh_config), host.name, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_killing_sessions_breaks_them_and_takes_new_ones(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    with session(host, "echo in; sleep 3; touch /tmp/ran-on") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        began = time.monotonic()
        faults.kill_ssh_sessions(host)
        assert process.wait(timeout=20) == 255
        assert time.monotonic() - began < 3
    assert host.ssh("true").returncode == 0
    host.sh("until [ -e /tmp/ran-on ]; do sleep 0.1; done", timeout=20)  # what it had started ran to its end


def test_a_stopped_ssh_server_refuses_and_keeps_its_sessions(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    with session(host, "echo in; sleep 1000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        with faults.sshd_stopped(host):
            assert connect(host) == "refused"
            assert process.poll() is None
        assert host.ssh("true").returncode == 0


def test_a_changed_host_key_is_noticed(clean_hosts: Hosts) -> None:
    with faults.host_key_changed(clean_hosts[0]):
        done = clean_hosts[0].ssh("true")
        assert done.returncode == 255
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
        assert clean_hosts[1].ssh("true").returncode == 0
    assert clean_hosts[0].ssh("true").returncode == 0


def test_refused_authentication_is_for_one_user(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    with faults.auth_refused(host):
        assert "Permission denied" in host.ssh("true").stderr
        assert host.ssh("true", user="root").returncode == 0
    assert host.ssh("true").returncode == 0


def test_a_skewed_clock_is_seen_by_ssh_sessions_alone(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    with faults.clock_skewed(host, "+3d"):
        ahead = int(host.ssh("date", "+%s").stdout) - time.time()
        assert abs(ahead - 3 * 86400) < 60
        assert abs(int(host.sh("date +%s")) - time.time()) < 60
    assert abs(int(host.ssh("date", "+%s").stdout) - time.time()) < 60


# --- the engine


def test_a_killed_engine_leaves_containers_running(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    images.put(host, "busybox:latest")
    host.docker("run", "-d", "--init", "busybox:latest", "sleep", "54321")
    with faults.engine_stopped(host):
        assert "Cannot connect" in host.ssh("docker", "ps").stderr
        assert "sleep 54321" in host.sh("ps -e -o args")
    assert host.ssh("docker", "ps").returncode == 0


def test_an_engine_told_to_end_stops_its_containers(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    images.put(host, "busybox:latest")
    host.docker("run", "-d", "--init", "busybox:latest", "sleep", "54321")
    with faults.engine_stopped(host, "TERM"):
        assert "sleep 54321" not in host.sh("ps -e -o args")
    assert host.ssh("docker", "ps").returncode == 0


def test_a_hung_engine_never_answers(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    with faults.engine_hung(host), pytest.raises(subprocess.TimeoutExpired):
        host.docker("ps", timeout=1.5)
    assert host.docker("ps", "-q") == ""


def test_the_kernel_kills_a_container_for_want_of_memory(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    images.put(host, "busybox:latest")
    host.docker("run", "-d", "--name", "victim", "busybox:latest", "sleep", "1000")
    host.docker("run", "-d", "--name", "other", "busybox:latest", "sleep", "1000")
    faults.oom_kill(host, "victim")
    state = host.docker("wait", "victim", timeout=20) + host.docker(
        "inspect", "--format", "{{.State.OOMKilled}}", "victim"
    )
    assert state == "137\ntrue\n"
    assert host.docker("inspect", "--format", "{{.State.Running}}", "other") == "true\n"


# --- the disk


@pytest.mark.parametrize("disk", ["loop:150M", "tmpfs:150M"])
def test_a_full_disk_takes_nothing_until_it_is_freed(make_host: MakeHost, disk: str) -> None:
    host = make_host(disk=disk)
    images.put(host, "busybox:latest")
    with faults.disk_full(host):
        assert "No space left on device" in host.ssh("head -c 100000 /dev/zero >~/file").stderr
        with pytest.raises(TestbedError, match="no space left on device"):
            host.docker("run", "-d", "busybox:latest", "sleep", "1000")
    assert host.ssh("head -c 100000 /dev/zero >~/file").returncode == 0
    host.docker("run", "-d", "busybox:latest", "sleep", "1000")


@pytest.mark.parametrize("disk", ["loop:150M", "tmpfs:150M"])
def test_without_inodes_there_is_room_but_no_new_file(make_host: MakeHost, disk: str) -> None:
    host = make_host(disk=disk, engine="")
    host.ssh("echo before >~/file")
    with faults.inodes_exhausted(host):
        assert "No space left on device" in host.ssh("touch ~/another").stderr
        assert host.ssh("head -c 100000 /dev/zero >>~/file").returncode == 0
    assert host.ssh("touch ~/another").returncode == 0


def test_the_machines_own_disk_is_never_filled(hosts: Hosts) -> None:
    for fault in (faults.disk_full, faults.inodes_exhausted):
        with pytest.raises(TestbedError, match="h1 has no disk of its own"), fault(hosts[0]):
            pass


# --- the whole host


@pytest.mark.parametrize("disk", ["dir", "loop:150M"])
def test_after_a_power_cut_disk_key_and_address_are_the_same(make_host: MakeHost, disk: str) -> None:
    host = make_host(disk=disk)
    images.put(host, "busybox:latest")
    host.docker("run", "-d", "--restart", "always", "--name", "back", "busybox:latest", "sleep", "1000")
    host.ssh("echo kept >~/file; sync")
    faults.cut_power(host)
    assert not host.running
    assert connect(host) != "open"
    faults.boot(host)
    assert host.ssh("cat", "file").stdout == "kept\n"
    assert wait_until(lambda: host.docker("ps", "--format", "{{.Names}}") == "back\n", 20)


def test_healing_undoes_whatever_was_left(clean_hosts: Hosts) -> None:
    host = clean_hosts[0]
    left = [
        faults.dropped(host),
        faults.host_key_changed(host),
        faults.auth_refused(host),
        faults.clock_skewed(host),
        faults.engine_hung(host),
        faults.cut(host),
    ]
    for fault in left:
        fault.__enter__()
    faults.heal(host)
    assert host.ssh("docker", "ps", "-q").returncode == 0
    assert abs(int(host.ssh("date", "+%s").stdout) - time.time()) < 60
    faults.cut_power(host)
    faults.heal(host)
    assert host.ssh("docker", "ps", "-q").returncode == 0
    for fault in left:  # what is undone already cannot be undone; nothing else may come of it
        with suppress(TestbedError):
            fault.__exit__(None, None, None)
    faults.heal(host)
