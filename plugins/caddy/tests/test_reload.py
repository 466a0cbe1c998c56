"""What changes more than targets: reloads, what they lose, and what becomes of a configuration that Caddy rejects."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from stagecraft_caddy.config import Config
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port
from stagecraft_container_proxy.contract.load import Load
from stagecraft_container_proxy.contract.streams import WebSocket
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint
from stagecraft_hookspecs.values import LOCAL

pytestmark = pytest.mark.needs("docker")


def test_before_a_reload_connections_in_use_are_closed_in_order(lab: Lab) -> None:
    """Each answer of that moment asks its client to close; WebSockets live through the reload; then connections are kept again."""
    blue, more = lab.app("blue"), free_port(lab.address)
    lab.ensure(lab.route(blue))
    assert lab.ask().headers.get("connection") != "close"
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(lab.ask().headers.get("connection", ""))

    with WebSocket(lab.address, lab.port) as socket:
        watching = threading.Thread(target=watch)
        eventually(lambda: blue.seen)
        closing = threading.Thread(target=lab.ensure, args=(lab.route(blue), lab.route(blue, id="more", listen=more)))
        watching.start()
        closing.start()
        eventually(lambda: "close" in seen)
        done.set()
        watching.join(20)
        closing.join(60)
        assert socket.echo(b"still there") == b"still there"
    assert lab.ask(port=more).who == "blue"
    assert lab.ask().headers.get("connection") != "close"


def test_a_rejected_configuration_leaves_the_former(lab: Lab) -> None:
    """Caddy's own words are shown; requests, files and the next switch are as if nothing had been tried."""
    blue, green = lab.app("blue"), lab.app("green")
    lab.ensure(lab.route(blue))
    before = {p: p.read_bytes() for p in Path(lab.ctx.home()).rglob("*") if p.is_file()}
    for name in ("bad.crt", "bad.key"):
        (lab.root / name).write_text("this is no PEM")
    bad = lab.route(green, id="bad", listen=free_port(lab.address), tls="given", certificate="bad.crt", key="bad.key")
    with pytest.raises(ProviderError, match="caddy rejects the configuration") as raised:
        lab.switch(lab.route(green), bad)
    assert "certificate" in raised.value.detail
    assert lab.ask().who == "blue"
    assert before.items() <= {p: p.read_bytes() for p in before}.items()
    assert lab.serving() == {"web-80": (blue.shown,)}
    lab.switch(lab.route(green))
    assert lab.ask().who == "green"


def test_a_first_configuration_that_is_rejected_leaves_no_container(lab: Lab) -> None:
    for name in ("bad.crt", "bad.key"):
        (lab.root / name).write_text("this is no PEM")
    with pytest.raises(ProviderError, match="caddy rejects the configuration"):
        lab.ensure(lab.route(tls="given", certificate="bad.crt", key="bad.key"))
    assert docker("ps", "-aq", "--filter", f"label=io.stagecraft.proxy.project={lab.ctx.project}") == ""


def test_more_targets_than_slots_and_fewer_again(lab: Lab) -> None:
    """Both configurations read the same files while their number of slots changes: nothing is refused meanwhile."""
    apps = [lab.app(f"app{number}") for number in range(13)]
    lab.ensure(lab.route(apps[0]))
    with Load(lab.address, lab.port, rate=100) as load:
        lab.switch(lab.route(*apps))
        assert {lab.ask().who for _ in range(80)} == {app.name for app in apps}
        lab.switch(lab.route(apps[1]))
    assert not [reason for reason in load.lost if reason.isdigit()], "an answer other than 200"
    assert lab.ask().who == "app1"


def test_a_container_of_the_environment_gives_its_port_up_first(lab: Lab, image: str) -> None:
    """While it has the port, other routes are served; once it is stopped, a switch opens the listener."""
    port, blue = free_port(lab.address), lab.app("blue")
    labels = {"io.stagecraft.project": lab.ctx.project, "io.stagecraft.environment": lab.ctx.environment}
    flags = [word for pair in labels.items() for word in ("--label", "=".join(pair))]
    server = ("caddy", "respond", "--listen", ":8000", "old")
    old = docker("run", "-d", *flags, "-p", f"{lab.address}:{port}:8000", image, *server)
    try:
        routes = (lab.route(blue), lab.route(blue, id="adopted", listen=port))
        lab.ensure(*routes)
        lab.switch(*routes)
        assert set(lab.serving()) == {"web-80"}
        assert (lab.ask().who, lab.ask(port=port).who) == ("blue", "old")
        docker("stop", "--time", "0", old)
        lab.switch(*routes)
        assert (lab.ask().who, lab.ask(port=port).who) == ("blue", "blue")
    finally:
        docker("rm", "-f", old)


def test_a_listener_moves_to_another_address_of_the_same_port(lab: Lab) -> None:
    """The proxy's own listener on all addresses is not in its way."""
    blue = lab.app("blue")
    lab.ensure(lab.route(blue, bind=""))
    assert lab.ask().who == "blue"
    lab.ensure(lab.route(blue))
    assert lab.ask().who == "blue"
    assert lab.serving() == {"web-80": (blue.shown,)}


def test_a_strangers_container_is_named(lab: Lab, image: str) -> None:
    port = free_port(lab.address)
    name = f"{lab.ctx.project}-stranger"
    server = ("caddy", "respond", "--listen", ":8000", "hello")
    docker("run", "-d", "--name", name, "-p", f"{lab.address}:{port}:8000", image, *server)
    try:
        with pytest.raises(ProviderError, match=f"is taken by the container {name}") as raised:
            lab.ensure(lab.route(Endpoint("127.0.0.1", 1), listen=port))
        assert raised.value.hint
    finally:
        docker("rm", "-f", name)


def test_an_image_that_cannot_be_had(lab: Lab) -> None:
    with pytest.raises(ProviderError, match=r"pull registry\.invalid/caddy:2") as raised:
        Caddy(Config(image="registry.invalid/caddy:2")).ensure(lab.ctx, LOCAL, (lab.route(),))
    assert "docker pull registry.invalid/caddy:2" in raised.value.hint
