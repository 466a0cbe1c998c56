"""The steps against a real engine and a stand-in for Traefik: what the plugin does, not what Traefik does (that is test_real)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stagecraft_container_proxy.contract.apps import Loop
from stagecraft_container_proxy.contract.killing import KillingSuite
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_traefik import converge
from stagecraft_traefik.config import Config
from stagecraft_traefik.proxy import Traefik

pytestmark = pytest.mark.needs("docker")


class TestKilled(KillingSuite):
    @pytest.fixture
    def proxy(self, stand_in: str) -> Traefik:
        return Traefik(Config(image=stand_in))


@pytest.fixture
def lab(stand_in: str, tmp_path: Path) -> Iterator[Lab]:
    loop = Loop()
    lab = Lab(Traefik(Config(image=stand_in)), tmp_path, loop)
    yield lab
    lab.close()
    loop.close()


def identity(lab: Lab) -> tuple[str, str]:
    """Return which container it is, and since when it runs."""
    found = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", lab.container).split()
    return found[0], found[1]


def test_a_switch_writes_one_file_and_restarts_nothing(lab: Lab) -> None:
    blue, green = lab.app("blue"), lab.app("green")
    lab.ensure(lab.route(blue))
    before, folder = identity(lab), Path(lab.ctx.home()) / "proxy/traefik"
    files = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    lab.switch(lab.route(green))
    assert lab.ask().who == "green"
    assert lab.serving() == {"web-80": (green.shown,)}
    assert identity(lab) == before
    changed = {path.name for path, inode in files.items() if path.stat().st_ino != inode}
    assert changed == {"dynamic.yml"}


def test_ensure_leaves_targets_running_or_not(lab: Lab) -> None:
    blue, green = lab.app("blue"), lab.app("green")
    lab.ensure(lab.route(blue))
    lab.ensure(lab.route(green))
    assert lab.ask().who == "blue"
    docker("kill", lab.container)
    lab.ensure(lab.route(green))
    assert lab.ask().who == "blue"


def test_a_listener_more_is_a_restart_of_the_same_container_and_one_less_is_nothing(lab: Lab) -> None:
    blue, more = lab.app("blue"), free_port(lab.address)
    lab.ensure(lab.route(blue))
    first = identity(lab)
    lab.ensure(lab.route(blue), lab.route(blue, id="more", listen=more))
    second = identity(lab)
    assert (first[0], first[1] < second[1]) == (second[0], True)
    assert any(level == "warning" and "restarted" in text for level, text in lab.ctx.logged)
    assert (lab.ask().who, lab.ask(port=more).who) == ("blue", "blue")
    lab.ensure(lab.route(blue))
    assert identity(lab) == second


def test_what_traefik_finds_wrong_puts_the_former_file_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    blue, green = lab.app("blue"), lab.app("green")
    lab.ensure(lab.route(blue))
    monkeypatch.setattr("stagecraft_traefik.dynamic.NEXT_ONE", "no such middleware")
    real = converge.dynamic.document

    def without(routes: object) -> object:
        document = real(routes)  # type: ignore[arg-type]
        del document["http"]["middlewares"]["no such middleware"]
        return document

    monkeypatch.setattr(converge.dynamic, "document", without)
    with pytest.raises(ProviderError, match="does not take the routes") as raised:
        lab.switch(lab.route(green))
    assert "router web-80" in raised.value.detail
    assert eventually(lambda: lab.ask().who == "blue")
    assert lab.serving() == {"web-80": (blue.shown,)}


def test_a_file_that_is_not_taken_over_is_put_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    blue, green = lab.app("blue"), lab.app("green")
    lab.ensure(lab.route(blue))
    file = Path(lab.ctx.home()) / "proxy/traefik/dynamic.yml"
    before = file.read_bytes()
    monkeypatch.setattr(converge, "TAKEOVER", 0.5)
    monkeypatch.setattr(converge.static, "dumped", lambda document: json.dumps(document).encode()[:-2])
    with pytest.raises(ProviderError, match="does not take the routes"):
        lab.switch(lab.route(green))
    assert file.read_bytes() == before
    assert lab.ask().who == "blue"


def test_a_start_that_fails_shows_the_last_lines_and_leaves_nothing(lab: Lab) -> None:
    lab.proxy = Traefik(attrs.evolve(lab.proxy.config, image="python:3.11-slim"))  # has no traefik to run
    with pytest.raises(ProviderError) as raised:
        lab.ensure(lab.route())
    assert "traefik" in raised.value.message
    assert docker("ps", "-aq", "--filter", f"label=io.stagecraft.proxy.project={lab.ctx.project}") == ""


def test_drain_counts_connections(lab: Lab) -> None:
    blue = lab.app("blue")
    lab.ensure(lab.route(blue))
    assert lab.drain(blue, 5) == ()
    import socket

    with socket.create_connection((lab.address, lab.port)) as held:
        held.sendall(b"GET /slow/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: blue.seen)
        assert lab.drain(blue, 0.3) == (blue.endpoint,)
    assert lab.drain(blue, 10) == ()
