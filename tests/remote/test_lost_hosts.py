"""One of several hosts is lost: the lock on the others stays, and the lost one is taken back unless somebody else had it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.errors import LockHeld, ProviderError
from stagecraft_hookspecs.state import Holder, Lease
from stagecraft_hookspecs.values import Command, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.holders import holders, release
from stagecraft.remote.lease import FleetLease
from tests.remote.conftest import Server

ME = Holder("ann@laptop", "deploy", "2026-01-02T03:04:05+00:00", 4711, "laptop")
OTHER = Holder("bob@ci", "rollback", "2026-01-02T03:04:06+00:00", 4712, "ci")
TTL = 5.0


@pytest.fixture
def homes(server: Server) -> dict[Host, str]:
    """Return three hosts with a folder each; they are one server, reached by three connections."""
    return {attrs.evolve(server.host, name=f"web{n}"): str(server.folder / f"home{n}") for n in (1, 2, 3)}


@pytest.fixture
def fleet(server: Server) -> Iterator[Fleet]:
    with closing(server.fleet()) as fleet:
        yield fleet


@pytest.fixture
def other(server: Server) -> Iterator[Fleet]:
    with closing(server.fleet()) as fleet:
        yield fleet


@pytest.fixture
def held(fleet: Fleet, homes: dict[Host, str]) -> Iterator[FleetLease]:
    with fleet.lease(homes, Lease(ME), 0.0, Scope(), ttl=TTL) as lease:
        assert lease.alive()
        yield lease


def second(homes: dict[Host, str]) -> Host:
    return next(host for host in homes if host.name == "web2")


def touch(fleet: Fleet, host: Host, path: Path) -> None:
    fleet.machine(host, Scope()).run(Command(("touch", str(path))))


def lose(fleet: Fleet, held: FleetLease, host: Host) -> None:
    fleet.connection(host)._links[0].ssh.transport.sock.close()
    until = time.monotonic() + 20
    while held.lost != (host.name,):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_others_go_on_and_the_lost_one_is_taken_back(
    fleet: Fleet, other: Fleet, held: FleetLease, homes: dict[Host, str], tmp_path: Path
) -> None:
    lost = second(homes)
    lose(fleet, held, lost)
    assert not held.alive()
    with pytest.raises(LockHeld, match="the lock was lost on web2"):
        touch(fleet, lost, tmp_path / "fenced")
    for host in homes:
        if host is not lost:
            touch(fleet, host, tmp_path / host.name)
    fleet.regain(lost, Scope(), 30)
    touch(fleet, lost, tmp_path / lost.name)
    assert sorted(f.name for f in tmp_path.glob("web*")) == ["web1", "web2", "web3"]
    assert not (tmp_path / "fenced").exists()
    assert held.alive()
    assert holders(other, homes) == dict.fromkeys(("web1", "web2", "web3"), ME)
    with pytest.raises(LockHeld, match="locked on web2 by ann@laptop"):
        other.lease({lost: homes[lost]}, Lease(OTHER), 0.0, Scope()).__enter__()


def test_nothing_is_taken_back_from_somebody_else(
    fleet: Fleet, other: Fleet, held: FleetLease, homes: dict[Host, str], tmp_path: Path
) -> None:
    lost = second(homes)
    lose(fleet, held, lost)
    theirs = other.lease({lost: homes[lost]}, Lease(OTHER), 20.0, Scope())
    with theirs, pytest.raises(LockHeld, match="locked on web2 by bob@ci"):
        fleet.regain(lost, Scope(), 30)
    # nor after that one has gone: what it changed is not to be undone
    with pytest.raises(LockHeld, match="the lock was lost on web2"):
        fleet.regain(lost, Scope(), 30)
    with pytest.raises(LockHeld):
        touch(fleet, lost, tmp_path / "fenced")
    assert not (tmp_path / "fenced").exists()
    assert sorted(holders(other, homes)) == ["web1", "web3"]


def test_a_lock_that_was_broken_is_not_taken_back(
    fleet: Fleet, other: Fleet, held: FleetLease, homes: dict[Host, str]
) -> None:
    lost = second(homes)
    assert release(other, {lost: homes[lost]}) == ("web2",)
    with pytest.raises(LockHeld, match="the lock was lost on web2"):
        fleet.regain(lost, Scope(), 30)


def test_a_host_that_stays_away_is_given_up(
    server: Server, fleet: Fleet, held: FleetLease, homes: dict[Host, str]
) -> None:
    lost = second(homes)
    lose(fleet, held, lost)
    server.stop()
    started = time.monotonic()
    with pytest.raises(ProviderError, match=r"web2 .* refused the connection"):
        fleet.regain(lost, Scope(), 3)
    assert time.monotonic() - started < 30
    assert held.lost == ("web2",)
    assert all(fleet.machine(host, Scope()).run(Command(("true",))).ok for host in homes if host is not lost)


def test_a_host_that_was_not_lost_is_left_alone(fleet: Fleet, held: FleetLease, homes: dict[Host, str]) -> None:
    before = dict(held.taken)
    for host in homes:
        fleet.regain(host, Scope(), 5)
    assert held.taken == before


def test_an_answer_that_is_late_is_waited_for(fleet: Fleet, held: FleetLease) -> None:
    foreman = next(iter(held.taken.values()))
    foreman.beat -= 2 * TTL
    assert held.alive()
