from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose import create, derive, facts, naming, preflight
from stagecraft_compose.containers import Assignment, Container
from stagecraft_compose.derive import Existing
from stagecraft_hookspecs.errors import Refused

DOCUMENT: dict[str, Any] = {
    "name": "shop-prod",
    "services": {
        "a": {"image": "x", "healthcheck": {"test": ["CMD", "x"], "start_interval": "1s"}, "depends_on": {"b": {}}},
        "b": {"image": "y", "volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
        "c": {"image": "z", "network_mode": "service:a", "volumes_from": ["b:ro"]},
    },
    "networks": {"default": {"labels": {naming.DEFINITION: "h1"}}, "ext": {"external": True, "name": "e"}},
    "volumes": {"data": {"labels": {naming.DEFINITION: "h2"}}},
    "x-stagecraft-sources": {},
}


def test_what_exists_is_declared_external_and_the_rest_is_left_to_compose() -> None:
    found = derive.for_host(DOCUMENT, Existing({"shop-prod_default": {naming.DEFINITION: "h1"}}), (1, 45))

    assert found["networks"] == {
        "default": {"external": True, "name": "shop-prod_default"},
        "ext": {"external": True, "name": "e"},
    }
    assert found["volumes"] == DOCUMENT["volumes"]
    assert "x-stagecraft-sources" not in found


def test_one_without_our_label_is_adopted_as_it_is() -> None:
    found = derive.for_host(DOCUMENT, Existing(volumes={"shop-prod_data": {}}), (1, 45))

    assert found["volumes"]["data"] == {"external": True, "name": "shop-prod_data"}


def test_one_that_is_defined_differently_is_refused() -> None:
    with pytest.raises(Refused, match="volume 'data' is defined differently now") as caught:
        derive.for_host(DOCUMENT, Existing(volumes={"shop-prod_data": {naming.DEFINITION: "old"}}), (1, 45))
    assert "docker volume rm shop-prod_data" in caught.value.hint


def test_an_engine_older_than_25_is_not_asked_for_start_interval() -> None:
    assert derive.for_host(DOCUMENT, Existing(), (1, 43))["services"]["a"]["healthcheck"] == {"test": ["CMD", "x"]}
    assert "start_interval" in derive.for_host(DOCUMENT, Existing(), (1, 44))["services"]["a"]["healthcheck"]


def test_containers_are_created_without_the_services_that_lack_none() -> None:
    found = derive.for_create(DOCUMENT, ["b"], {"b": {"/anon": "v" * 64}}, {})

    assert list(found["services"]) == ["b"]
    assert found["services"]["b"]["volumes"][-1] == {"type": "volume", "source": "v" * 64, "target": "/anon"}
    assert found["volumes"]["v" * 64] == {"external": True, "name": "v" * 64}


def test_a_shared_namespace_is_that_of_the_releases_own_container() -> None:
    (c,) = derive.for_create(DOCUMENT, ["c"], {}, {"a": "ida", "b": "idb"})["services"].values()

    assert (c["network_mode"], c["volumes_from"]) == ("container:ida", ["container:idb:ro"])
    assert derive.passes(["a", "b", "c"], DOCUMENT["services"]) == (("a", "b"), ("c",))


def test_the_command_that_creates() -> None:
    command = create.create_command("shop-prod", "/h/r1", {"b": 3, "a": 1})

    assert command.argv == (
        *("docker", "compose", "--project-directory", "/h/r1", "-p", "shop-prod", "-f", "/h/r1/create.json"),
        *("create", "--no-recreate", "--scale", "a=1", "--scale", "b=3"),
    )
    assert command.timeout > 0
    assert command.env["COMPOSE_REMOVE_ORPHANS"] == "0"


def container(n: int, state: str = "running", **volumes: str) -> Container:
    return Container(f"id{n}", f"c{n}", "web", n, state, volumes={f"/{k}": v for k, v in volumes.items()})


def test_every_existing_container_counts_so_that_none_is_scaled_away() -> None:
    one = Assignment("web", (container(1),), (container(2),), 2, (container(3), container(4, "exited")))

    assert create.scale(one) == 6


def test_an_anonymous_volume_is_taken_over_from_one_container_by_one() -> None:
    old = container(1, data="v1")
    kept = container(2, "exited", data="v0")

    assert create.inherited_volumes(Assignment("web", missing=1, others=(kept, old))) == {"/data": "v1"}
    assert create.inherited_volumes(Assignment("web", missing=2, others=(old,))) == {}
    assert create.inherited_volumes(Assignment("web", missing=1, others=(old, container(3, data="v3")))) == {}


PRINTED = """\
clock 1700000100
kilobytes /dev/vda1 100 40 60 40% /
inodes /dev/vda1 - - - - /
compose 2.26.1
binfmt register
binfmt qemu-aarch64
listener    0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
"""


def test_versions_and_free_space_are_read_from_what_tools_print() -> None:
    assert preflight.numbers("2.26.1-4") == (2, 26)
    assert preflight.numbers("v2.40.3") == (2, 40)
    assert preflight.numbers("1.41") >= preflight.OLDEST_API
    known = facts.parse({"DockerRootDir": "/d"}, [], PRINTED, 1700000000.0)
    assert (known.root, known.compose, known.kilobytes, known.inodes, known.skew) == ("/d", "2.26.1", 60, None, 100.0)
    assert known.emulated == ("register", "qemu-aarch64")
    assert known.listeners == (("", 8000, "111"),)
    nothing = facts.parse({}, [], "compose \n", 0.0)
    assert (nothing.compose, nothing.kilobytes, nothing.inodes, nothing.skew) == ("", None, None, None)
