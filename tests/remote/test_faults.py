"""Faults of the network, the disk and the processes on a host: what is said, what stays, and that nothing of ours does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import LockHeld, ProviderError
from stagecraft_hookspecs.state import Holder, Lease
from stagecraft_hookspecs.values import Command, File, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.machine import RemoteMachine
from tests.testbed import faults
from tests.testbed.handles import TestHost

pytestmark = pytest.mark.needs("hosts")
ME = Holder("ann@laptop", "deploy", "2026-01-02T03:04:05+00:00", 4711, "laptop")
TTL = 4.0
#: A test beside others may be late by so much.
LATE = 20.0
HOME = "/home/deploy/.stagecraft/shop/prod"
PLACES = "/run/user/*/stagecraft-* /dev/shm/stagecraft-* /tmp/stagecraft-*"


@pytest.fixture
def there(clean_hosts: tuple[TestHost, ...]) -> TestHost:
    return clean_hosts[0]


def fleet_to(there: TestHost, root: Path) -> Fleet:
    return Fleet(root, lambda _: None, {"STAGECRAFT_SSH_CONFIG": str(there.ssh_config)})


def as_host(there: TestHost) -> Host:
    return Host(there.name, there.address, there.user)


@pytest.fixture
def fleet(there: TestHost, tmp_path: Path) -> Iterator[Fleet]:
    with closing(fleet_to(there, tmp_path)) as fleet:
        yield fleet


@pytest.fixture
def machine(fleet: Fleet, there: TestHost) -> RemoteMachine:
    return fleet.machine(as_host(there), Scope())


def eventually(ask: Callable[[], bool], seconds: float = LATE) -> bool:
    until = time.monotonic() + seconds
    while not ask():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def runs(there: TestHost, marker: str) -> bool:
    return bool(there.sh(f"pgrep -fx 'sleep {marker}' || true").strip())


def left(there: TestHost) -> list[str]:
    return there.sh(f"ls -d {PLACES} 2>/dev/null || true").split()


def foreman_of(there: TestHost) -> tuple[str, str]:
    """Return the process ids of the shell that has the lock and of its watchdog."""
    main, watch = there.sh(f"head -n 1 {HOME}/holder").split()
    # they are numbers of the host's own process namespace, in which `sh` runs
    return main, watch


def free(there: TestHost) -> bool:
    return there.sh(f"flock -n {HOME}/lock true && echo free || true").strip() == "free"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_black_hole_in_a_command(there: TestHost, fleet: Fleet, machine: RemoteMachine, streamed: bool) -> None:
    marker = f"4001.{os.getpid()}"
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL) as lease:
        cut = faults.dropped(there, 22)
        threading.Timer(1.0, cut.__enter__).start()
        try:
            started = time.monotonic()
            with pytest.raises(LockHeld, match=f"the lock was lost on {there.name}"):
                machine.run(Command(("sleep", marker)), on_line=(lambda _: None) if streamed else None)
            assert time.monotonic() - started < 2 * TTL + LATE
            assert not lease.alive()
            # the host ends what runs and frees the lock, though nothing reaches it
            assert eventually(lambda: not runs(there, marker))
            assert eventually(lambda: free(there))
            assert eventually(lambda: not left(there))
        finally:
            cut.__exit__(None, None, None)
        fleet.regain(as_host(there), Scope(), 30)
        assert machine.run(Command(("echo", "back"))).stdout == "back\n"


def test_a_black_hole_in_an_upload(there: TestHost, fleet: Fleet, machine: RemoteMachine) -> None:
    folder = "/home/deploy/tree"
    machine.upload({"a": File(b"old"), "b": File(b"old")}, folder)
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL), faults.dropped(there, 22):
        with pytest.raises(LockHeld):
            machine.upload({"a": File(os.urandom(5_000_000)), "b": File(b"new")}, folder)
        with pytest.raises(LockHeld):
            machine.write(f"{folder}/a", b"new")
        assert eventually(lambda: free(there))
    assert there.sh(f"cat {folder}/a {folder}/b") == "oldold"
    assert sorted(there.sh(f"ls -A {folder}").split()) == ["a", "b"]


def test_a_sending_that_is_cut_leaves_the_old_file_and_nothing_else(
    there: TestHost, fleet: Fleet, machine: RemoteMachine
) -> None:
    machine.write("/home/deploy/kept/file", b"old")
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL):
        threading.Timer(1.0, lambda: faults.kill_ssh_sessions(there)).start()
        with pytest.raises(LockHeld):
            while True:
                machine.write("/home/deploy/kept/file", os.urandom(3_000_000))
        assert eventually(lambda: free(there))
    assert there.sh("ls -A /home/deploy/kept").split() == ["file"]
    size = int(there.sh("stat -c %s /home/deploy/kept/file"))
    assert size in (3, 3_000_000)


def test_ssh_sessions_that_are_killed_end_all_and_free_the_lock(
    there: TestHost, fleet: Fleet, machine: RemoteMachine
) -> None:
    marker = f"4002.{os.getpid()}"
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()):
        threading.Timer(1.0, lambda: faults.kill_ssh_sessions(there)).start()
        with pytest.raises(LockHeld):
            machine.run(Command(("sleep", marker)))
        assert eventually(lambda: free(there))
        assert not runs(there, marker)
        assert eventually(lambda: not left(there))


def test_a_foreman_that_is_killed_is_cleared_up_by_its_watchdog(
    there: TestHost, fleet: Fleet, machine: RemoteMachine
) -> None:
    marker = f"4003.{os.getpid()}"
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()):
        assert left(there)
        threading.Timer(1.0, lambda: there.sh(f"kill -KILL {foreman_of(there)[0]}")).start()
        with pytest.raises(LockHeld):
            machine.run(Command(("sleep", marker)))
        assert eventually(lambda: free(there))
        assert not runs(there, marker)
        assert eventually(lambda: not left(there))


def test_what_a_foreman_killed_with_its_watchdog_left_is_swept(there: TestHost, fleet: Fleet, tmp_path: Path) -> None:
    with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()):
        stale = left(there)
        main, _ = foreman_of(there)
        # the whole process group: nobody is left who could clear up
        there.sh(f"kill -KILL -{main}")
    assert eventually(lambda: free(there))
    assert left(there) == stale
    with closing(fleet_to(there, tmp_path)) as again:
        other = again.machine(as_host(there), Scope())
        other.run(Command(("true",)))
        assert len(left(there)) == 1
        assert left(there) != stale
        # those of shells that live are left alone
        with closing(fleet_to(there, tmp_path)) as third:
            third.machine(as_host(there), Scope()).run(Command(("true",)))
            assert len(left(there)) == 2
            assert other.run(Command(("echo", "on"))).stdout == "on\n"
    assert eventually(lambda: not left(there))


def test_a_host_without_flock(there: TestHost, fleet: Fleet, tmp_path: Path) -> None:
    there.sh("mv /usr/bin/flock /usr/bin/flock.gone")
    try:
        with closing(fleet_to(there, tmp_path)) as second:
            with fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL) as lease:
                assert lease.alive()
                with pytest.raises(LockHeld, match="ann@laptop"):
                    second.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()).__enter__()
                faults.kill_ssh_sessions(there)
                assert eventually(lambda: not lease.alive())
                fleet.regain(as_host(there), Scope(), 30)
                assert lease.alive()
                with pytest.raises(LockHeld, match="ann@laptop"):
                    second.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()).__enter__()
            with second.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL) as lease:
                assert lease.alive()
    finally:
        there.sh("mv /usr/bin/flock.gone /usr/bin/flock")


def test_a_home_that_is_read_only(there: TestHost, fleet: Fleet, machine: RemoteMachine) -> None:
    machine.write("own", b"old")
    there.sh("mount --bind /home/deploy /home/deploy && mount -o remount,ro,bind /home/deploy")
    try:
        with pytest.raises(ProviderError, match=f"cannot write own on {there.name}: Read-only file system") as caught:
            machine.write("own", b"new")
        assert "remount" in caught.value.hint
        with pytest.raises(ProviderError, match=f"cannot write {HOME}/lock on {there.name}"):
            fleet.lease({as_host(there): HOME}, Lease(ME), 0.0, Scope()).__enter__()
        assert machine.read("own") == b"old"
    finally:
        there.sh("umount /home/deploy")


def test_a_disk_that_is_full(make_host: Callable[..., TestHost], tmp_path: Path) -> None:
    small = make_host(disk="loop:300M", engine="")
    with closing(fleet_to(small, tmp_path)) as fleet:
        machine = fleet.machine(as_host(small), Scope())
        machine.write("kept", b"old")
        with fleet.lease({as_host(small): HOME}, Lease(ME), 0.0, Scope(), ttl=TTL) as lease:
            with faults.disk_full(small):
                for way in (
                    lambda: machine.write("kept", os.urandom(1_000_000)),
                    lambda: machine.upload({"kept": File(os.urandom(1_000_000))}, "/home/deploy"),
                ):
                    with pytest.raises(ProviderError, match=f"on {small.name}: No space left on device") as caught:
                        way()
                    assert "df -h" in caught.value.hint
                assert machine.run(Command(("echo", "commands run"))).stdout == "commands run\n"
                assert machine.read("kept") == b"old"
                # signs of life need no disk
                time.sleep(2 * TTL)
                assert lease.alive()
            machine.write("kept", b"new")
        assert machine.read("kept") == b"new"
        names = small.sh("ls -A /home/deploy").split()
        assert [n for n in names if "stagecraft" in n and n != ".stagecraft"] == []
