"""What the engine's list of containers says is read without asking about each."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose import images, naming, switch
from stagecraft_compose.containers import Container, from_list, refresh
from stagecraft_compose.memory import Unit

HEX = "0123456789abcdef" * 4
ENTRY: dict[str, Any] = {
    "Id": "1f",
    "Names": ["/other/alias", "/shop-prod-web-2"],
    "Image": "shop-prod/web:01",
    "ImageID": "sha256:9",
    "State": "running",
    "Status": "Up 3 hours (healthy)",
    "Labels": {
        naming.COMPOSE_SERVICE: "web",
        naming.COMPOSE_NUMBER: "2",
        naming.RELEASE: "r1",
        naming.FINGERPRINT: "f",
    },
    "Ports": [
        {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ],
    "NetworkSettings": {"Networks": {"b": {"IPAddress": "10.0.0.2"}, "a": {"IPAddress": ""}}},
    "Mounts": [
        {"Type": "volume", "Name": HEX, "Destination": "/anonymous"},
        {"Type": "volume", "Name": "shop_data", "Destination": "/named"},
        {"Type": "bind", "Source": "/x", "Destination": "/bind"},
    ],
}


def test_everything_that_steps_need_stands_in_the_list() -> None:
    assert from_list(ENTRY) == Container(
        "1f",
        "shop-prod-web-2",
        "web",
        2,
        "running",
        "healthy",
        release="r1",
        fingerprint="f",
        image="shop-prod/web:01",
        image_id="sha256:9",
        ports=("127.0.0.1:8080->80/tcp", ":::53->53/udp"),
        address="10.0.0.2",
        volumes={"/anonymous": HEX},
    )


@pytest.mark.parametrize(
    ("state", "status", "health", "code", "started"),
    [
        ("running", "Up 2 seconds (health: starting)", "starting", 0, True),
        ("running", "Up 2 seconds (unhealthy)", "unhealthy", 0, True),
        ("running", "Up 2 seconds", "none", 0, True),
        ("paused", "Up 2 seconds (Paused)", "none", 0, True),
        ("restarting", "Restarting (3) 1 second ago", "none", 3, True),
        ("exited", "Exited (137) 2 hours ago", "none", 137, True),
        ("created", "Created", "none", 0, False),
        ("dead", "Dead", "none", 0, True),
    ],
)
def test_state_and_health_are_read_from_the_engines_words(
    state: str, status: str, health: str, code: int, started: bool
) -> None:
    found = from_list({**ENTRY, "State": state, "Status": status})

    assert (found.state, found.health, found.exit_code, found.started) == (state, health, code, started)


def test_a_second_look_replaces_state_and_health_and_nothing_else() -> None:
    raw = {"State": {"Status": "exited", "ExitCode": 4, "Health": {"Status": "unhealthy"}}}
    now = refresh(from_list(ENTRY), raw)

    assert (now.state, now.health, now.exit_code) == ("exited", "unhealthy", 4)
    assert (now.id, now.ports) == ("1f", from_list(ENTRY).ports)


@pytest.mark.parametrize(
    ("bind", "listen", "holds"),
    [("", 8080, True), ("127.0.0.1", 8080, True), ("10.0.0.1", 8080, False), ("", 80, False), ("", 53, False)],
)
def test_which_container_is_in_a_proxys_way(bind: str, listen: int, holds: bool) -> None:
    assert switch.publishes(from_list(ENTRY), [(bind, listen)]) is holds


def test_an_image_that_a_container_holds_needs_no_question() -> None:
    units = {
        "web": Unit("f", 1, image="shop-prod/web:01", image_id="sha256:9"),
        "db": Unit("f", 1, image="shop-prod/db:02", image_id="sha256:gone"),
    }

    assert images.known(units, [from_list(ENTRY)]) == {"shop-prod/web:01": "sha256:9"}
