"""Caddy on a real host over SSH, by a user who is not root: switched under load, rebooted, removed."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from stagecraft_caddy.proxy import Caddy
from stagecraft_hookspecs.proxy import Endpoint, Route
from stagecraft_hookspecs.values import Host

from stagecraft.context import RunContext, Secretary
from stagecraft.machine.scope import Scope
from stagecraft.output.report import make_reporter
from stagecraft.output.scrub import Scrubber
from stagecraft.output.sink import Sink
from stagecraft.run.signals import Interrupts
from tests.load import Load, Target
from tests.testbed import faults, images
from tests.testbed.fixtures import TestHost

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(240)]
RATES = {"get": 40.0, "close": 20.0, "post": 60.0, "ws": 20.0}


@pytest.fixture
def there(clean_hosts: tuple[TestHost, ...]) -> TestHost:
    images.put(clean_hosts[0], "app:1", "app:2", "caddy:2")
    return clean_hosts[0]


@pytest.fixture
def ctx(there: TestHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunContext]:
    monkeypatch.setenv("STAGECRAFT_SSH_CONFIG", str(there.ssh_config))
    host, sink = Host(there.name, there.address, there.user), Sink(io.StringIO(), io.StringIO())
    secretary = Secretary({}, lambda _: {}, Scrubber())
    made = RunContext(tmp_path, "shop", "prod", Scope(), secretary, make_reporter(sink), Interrupts(), hosts=(host,))
    yield made
    made.close()


def start(there: TestHost, version: int) -> Endpoint:
    """Start an application and return where it listens."""
    name = f"app-{version}"
    there.docker("run", "-d", "--name", name, "--restart", "always", f"app:{version}")
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return Endpoint(there.docker("inspect", "--format", form, name).strip(), 8000, name)


def test_twelve_switches_under_load_lose_nothing(ctx: RunContext, there: TestHost) -> None:
    """GET, POST and WebSockets from another machine, on kept connections and short ones."""
    caddy, host = Caddy(), ctx.hosts[0]
    both = (start(there, 1), start(there, 2))
    caddy.ensure(ctx, host, (Route("web-80", "web", 80, 8000, targets=both[:1]),))
    with Load([Target(there.address, 80)], RATES) as load:
        for number in range(12):
            new, old = both[(number + 1) % 2], both[number % 2]
            caddy.switch(ctx, host, (Route("web-80", "web", 80, 8000, targets=(new,)),))
            assert caddy.serving(ctx, host) == {"web-80": (f"{new.address}:{new.port}",)}
            # the load's WebSockets stay where they are for as long as they live
            assert set(caddy.drain(ctx, host, (old,), 1.0)) <= {old}
    assert load.results.lost == 0, str(load.results)
    assert all(load.results.kinds[kind].sent for kind in RATES)


def test_after_a_power_cut_it_sends_where_it_sent(ctx: RunContext, there: TestHost) -> None:
    """Neither the deployer nor anybody else does anything: the engine brings the proxy back."""
    caddy, host = Caddy(), ctx.hosts[0]
    first, second = start(there, 1), start(there, 2)
    there.docker("rm", "-f", second.instance)
    caddy.ensure(ctx, host, (Route("web-80", "web", 80, 8000, targets=(second,)),))
    caddy.switch(ctx, host, (Route("web-80", "web", 80, 8000, targets=(first,)),))
    faults.cut_power(there)
    faults.boot(there)
    assert _within(30, f"http://{there.address}/") == 200


def test_remove_leaves_nothing_of_the_proxys(ctx: RunContext, there: TestHost) -> None:
    """Nor a file that the login user could not remove."""
    caddy, host = Caddy(), ctx.hosts[0]
    caddy.ensure(ctx, host, (Route("web-80", "web", 80, 8000),))
    assert there.docker("ps", "-q").strip()
    caddy.remove(ctx, host)
    assert there.docker("ps", "-aq").strip() == there.docker("volume", "ls", "-q").strip() == ""
    assert there.sh("find /home/deploy/.stagecraft -path '*proxy*' -type f").strip() == ""


def _within(seconds: float, url: str) -> int:
    import time

    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
