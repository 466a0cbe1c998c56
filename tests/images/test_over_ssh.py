"""Images get to hosts as a run has it: over SSH."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Host

from tests.testbed.faults import kill_ssh_sessions
from tests.testbed.fixtures import MakeHost, TestHost

from .fleet import Fleet, content

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts")]


@pytest.fixture
def target(make_host: MakeHost) -> TestHost:
    """A host of this test's own, which it may break."""
    return make_host()


@pytest.fixture
def reached(target: TestHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host as a run's configuration names it."""
    monkeypatch.setenv("STAGECRAFT_SSH_CONFIG", str(target.ssh_config))
    known = fleet.root / ".stagecraft" / "known_hosts"
    known.parent.mkdir()
    known.write_text(target.known_hosts.read_text())
    return Host(target.name, target.address, target.user, target.port)


@contextmanager
def broken_after(host: TestHost, size: int) -> Iterator[None]:
    """Break the host's SSH connections once so many bytes more have come in."""
    ends, over = received(host) + size, threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if received(host) >= ends:
                kill_ssh_sessions(host)
                break

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def received(host: TestHost) -> int:
    return int(host.sh("cat /sys/class/net/eth0/statistics/rx_bytes"))


def has(host: TestHost, identity: str) -> bool:
    """Ask the host's engine past SSH whether it can make a container of an image."""
    container = host.docker("create", identity, "true").strip()
    return host.docker("rm", container).strip() == container


def test_a_change_puts_little_more_than_its_layer_on_the_network(target: TestHost, reached: Host, fleet: Fleet) -> None:
    base, run = content(20), fleet.run()
    run.image(fleet.build(base, content(5)), reached)
    before = received(target)

    identity = run.image(fleet.build(base, content(5)), reached)

    assert received(target) - before <= 1.05 * 5e6
    assert has(target, identity)
    run.close()


def test_after_a_broken_connection_the_next_run_sends_what_is_missing(
    target: TestHost, reached: Host, fleet: Fleet
) -> None:
    image, run = fleet.build(content(40), content(40)), fleet.run()
    run.image(fleet.build(content(0.1)), reached)  # so that the base is there
    with pytest.raises(ProviderError) as caught, broken_after(target, 60_000_000):
        run.image(image, reached)
    assert f"to {reached.name} was cut off after" in caught.value.message
    assert "deploy again" in caught.value.hint
    run.close()

    again, before = fleet.run(), received(target)
    identity = again.image(image, reached)

    assert received(target) - before <= 1.05 * 40e6
    assert has(target, identity)
    again.close()
