"""The client of a host's container engine: streams end when they should, and no call outlives its scope, its host or its engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import Interrupted, ProviderError, StagecraftError, TimedOut, ToolMissing
from stagecraft_hookspecs.values import Command, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.engine import Engine
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.machine import RemoteMachine
from tests.testbed import faults, images
from tests.testbed.handles import TestHost

pytestmark = pytest.mark.needs("hosts")
#: Tests run beside others: what ends "at once" ends long before what it waited for.
AT_ONCE = 15


@pytest.fixture
def there(clean_hosts: tuple[TestHost, ...]) -> TestHost:
    """Return a host on which a container runs."""
    images.put(clean_hosts[0], "app:1")
    clean_hosts[0].docker("run", "-d", "--name", "sleeper", "--network", "none", "app:1")
    return clean_hosts[0]


@pytest.fixture
def fleet(there: TestHost, tmp_path: Path) -> Iterator[Fleet]:
    with closing(Fleet(tmp_path, lambda _: None, {"STAGECRAFT_SSH_CONFIG": str(there.ssh_config)})) as fleet:
        yield fleet


@pytest.fixture
def machine(fleet: Fleet, there: TestHost) -> RemoteMachine:
    return fleet.machine(as_host(there), Scope())


def as_host(there: TestHost, user: str = "") -> Host:
    return Host(there.name, there.address, user or there.user)


def ends(call: Callable[[], object], stop: Callable[[], None], error: type[StagecraftError], match: str = ".") -> float:
    """Return the seconds from what should end a call to its end."""
    stopped: list[float] = []

    def act() -> None:
        stop()
        stopped.append(time.monotonic())

    timer = threading.Timer(1.0, act)
    timer.start()
    with pytest.raises(error, match=match):
        call()
    timer.join()
    return time.monotonic() - stopped[0]


def execute(api: Any, *argv: str) -> bytes:
    output: bytes = api.exec_start(api.exec_create("sleeper", list(argv))["Id"])
    return output


BLOCKING: dict[str, Callable[[Any], object]] = {
    "exec": lambda api: execute(api, "sleep", "60"),
    "wait": lambda api: api.wait("sleeper"),
    "events": lambda api: list(api.events()),
    "logs": lambda api: list(api.logs("sleeper", stream=True, follow=True)),
}


def test_a_stream_ends_when_the_engine_ends_it(machine: RemoteMachine, there: TestHost) -> None:
    api = machine.docker().api
    assert api.version()["Version"] == there.docker("version", "--format", "{{.Server.Version}}").strip()
    for n in range(40):
        assert execute(api, "sh", "-c", f"echo {n}") == f"{n}\n".encode()
    big = execute(
        api,
        "sh",
        "-c",
        "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
    )
    assert len(big) == 20000 * 41


@pytest.mark.parametrize("kind", BLOCKING)
def test_cancelling_ends_a_call_that_blocks(machine: RemoteMachine, kind: str) -> None:
    scope = Scope()
    api = machine.within(scope).docker().api
    assert ends(lambda: BLOCKING[kind](api), scope.cancel, Interrupted) < AT_ONCE
    with pytest.raises(Interrupted):
        api.ping()
    # another scope, such as that of undoing, has a client of its own
    assert machine.docker().ping()


def test_all_calls_of_a_scope_end_while_another_scope_goes_on(machine: RemoteMachine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    scope, undo = Scope(), machine.within(Scope(deadline=60)).docker().api
    api = machine.within(scope).docker().api
    threading.Timer(2.0, scope.cancel).start()
    started = time.monotonic()
    with ThreadPoolExecutor(13) as pool:
        blocked = [pool.submit(execute, api, "sleep", "60") for _ in range(12)]
        said = [execute(undo, "echo", "undone") for _ in range(10)]
        assert [type(b.exception()) for b in blocked] == [Interrupted] * 12
    assert said == [b"undone\n"] * 10
    assert time.monotonic() - started < 2 + AT_ONCE


def test_the_deadline_of_a_scope_ends_a_call(machine: RemoteMachine) -> None:
    with pytest.raises(TimedOut, match="not finished within 2 seconds"):
        execute(machine.within(Scope(deadline=2.0)).docker().api, "sleep", "60")


def test_an_upload_that_blocks_is_ended(machine: RemoteMachine, there: TestHost) -> None:
    scope = Scope()
    api: Any = machine.within(scope).docker().api
    api.ping()

    def endless() -> Iterator[bytes]:
        # the header of a file of 8 GB, then nothing but its content
        import tarfile

        info = tarfile.TarInfo("blob")
        info.size = 8 << 30
        yield info.tobuf()
        while True:
            yield bytes(1 << 16)

    assert ends(lambda: list(api.load_image(endless())), scope.cancel, Interrupted) < AT_ONCE


def test_a_lost_connection_ends_a_call(machine: RemoteMachine, there: TestHost) -> None:
    api = machine.docker().api
    took = ends(lambda: execute(api, "sleep", "60"), lambda: faults.kill_ssh_sessions(there), ProviderError, "was lost")
    assert took < AT_ONCE
    # without a lease the next call connects again
    assert execute(machine.docker().api, "echo", "again") == b"again\n"


def test_a_silent_stream_lives_as_long_as_its_engine_answers(
    fleet: Fleet, machine: RemoteMachine, there: TestHost
) -> None:
    engine = Engine(fleet.connection(as_host(there)), silence=1.0)
    try:
        api = engine.client(machine, Scope()).api
        assert execute(api, "sh", "-c", "sleep 4; echo late") == b"late\n"
        with faults.engine_hung(there), pytest.raises(ProviderError, match=f"engine on {there.name} no longer answers"):
            execute(api, "sleep", "60")
        assert execute(api, "echo", "mended") == b"mended\n"
    finally:
        engine.close()


def test_a_user_without_the_right_to_the_engine(machine: RemoteMachine, there: TestHost) -> None:
    there.sh("gpasswd -d deploy docker")
    try:
        with pytest.raises(ToolMissing, match=f"may not use the Docker engine on {there.name}") as caught:
            machine.docker()
        assert "usermod -aG docker" in caught.value.hint
    finally:
        there.sh("gpasswd -a deploy docker")


def test_a_host_whose_engine_is_stopped(machine: RemoteMachine, there: TestHost) -> None:
    with faults.engine_stopped(there), pytest.raises(ToolMissing, match=r"does not answer|cannot be used") as caught:
        machine.docker()
    assert "systemctl start docker" in caught.value.hint


def test_an_engine_that_is_too_old(machine: RemoteMachine, there: TestHost) -> None:
    there.sh(
        "mv /usr/bin/docker /usr/bin/docker.real; cat >/usr/bin/docker; chmod 755 /usr/bin/docker",
        stdin='#!/bin/sh\n[ "$1" = version ] && { echo 1.22; exit; }\n'
        'printf \'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 21\\r\\n\\r\\n{"ApiVersion":"1.22"}\'\n'
        "cat >/dev/null\n",
    )
    try:
        with pytest.raises(ToolMissing, match=r"engine on .* \(API 1.22\) cannot be used") as caught:
            machine.docker()
        assert "upgrade Docker" in caught.value.hint
    finally:
        there.sh("mv -f /usr/bin/docker.real /usr/bin/docker")


def test_nothing_of_a_call_stays_on_the_host(machine: RemoteMachine, there: TestHost) -> None:
    scope = Scope()
    api = machine.within(scope).docker().api
    ends(lambda: execute(api, "sleep", "60"), scope.cancel, Interrupted)
    stream = machine.docker().api.events()
    threading.Timer(0.5, stream.close).start()
    list(stream)
    until = time.monotonic() + 30
    while (left := machine.run(Command(("pgrep", "-fc", "dial-stdio")), check=False).stdout.strip()) > "1":
        assert time.monotonic() < until, f"{left} tunnels are open for calls that have ended"
        time.sleep(0.1)
