"""The five steps on a real engine: what users of the proxy see before, during and after each."""

from __future__ import annotations

import json

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import LOCAL

from .conftest import Lab, docker

pytestmark = pytest.mark.needs("docker")


def test_the_proxy_serves_what_it_was_switched_to_without_a_reload(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.ensure(lab.route())
    assert lab.get()[0] == 503
    lab.switch(lab.route(one))
    workers = lab.workers()
    assert lab.get()[2] == "v1"
    lab.switch(lab.route(two))
    assert lab.serving() == {"web": (f"{two.address}:8000",)}
    assert [lab.get()[2] for _ in range(6)] == ["v2"] * 6
    lab.switch(lab.route(one, two))
    assert {lab.get()[2] for _ in range(6)} == {"v1", "v2"}
    lab.switch(lab.route())
    assert (lab.get()[0], lab.serving()) == (503, {"web": ()})
    assert lab.workers() == workers


def test_ensure_leaves_targets_as_they_are_and_adds_a_route(lab: Lab) -> None:
    one = lab.app("v1")
    lab.ensure(lab.route())
    lab.switch(lab.route(one))
    container = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", lab.container)
    lab.ensure(lab.route(), lab.route(id="api", path="/api"))
    assert (lab.get()[2], lab.get("/api")[0]) == ("v1", 503)
    assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", lab.container) == container


def test_a_route_that_is_no_longer_wanted_serves_until_the_switch(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.ensure(lab.route())
    lab.switch(lab.route(one))
    renamed = lab.route(id="site", service="site")
    lab.ensure(renamed)
    assert lab.get()[2] == "v1"
    lab.switch(attrs.evolve(renamed, targets=(two,)))
    assert (lab.get()[2], lab.serving()) == ("v2", {"site": (f"{two.address}:8000",)})


def test_steps_that_change_nothing_change_nothing(lab: Lab) -> None:
    route = lab.route(lab.app("v1"))
    lab.ensure(route)
    lab.switch(route)
    before = (lab.workers(), {p.name: (p.stat().st_mtime_ns) for p in lab.folder.rglob("*") if p.is_file()})
    lab.ensure(route)
    lab.switch(route)
    assert (lab.workers(), {p.name: (p.stat().st_mtime_ns) for p in lab.folder.rglob("*") if p.is_file()}) == before


def test_a_restarted_proxy_comes_back_with_the_current_targets(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.ensure(lab.route())
    lab.switch(lab.route(one))
    lab.switch(lab.route(two))
    docker("restart", "-t", "1", lab.container)
    lab.ensure(lab.route())
    assert (lab.get()[2], lab.serving()) == ("v2", {"web": (f"{two.address}:8000",)})


def test_a_proxy_that_was_stopped_or_removed_by_hand_is_made_again(lab: Lab) -> None:
    one = lab.app("v1")
    lab.ensure(lab.route())
    lab.switch(lab.route(one))
    docker("stop", "-t", "1", lab.container)
    lab.ensure(lab.route())
    assert lab.get()[2] == "v1"
    docker("rm", "-f", lab.container)
    with pytest.raises(ProviderError, match="does not run"):
        lab.serving()
    lab.ensure(lab.route())
    assert lab.get()[2] == "v1"


def test_the_container_has_few_rights_and_survives_the_engine(lab: Lab) -> None:
    lab.ensure(lab.route())
    told = json.loads(docker("inspect", lab.container))[0]
    host = told["HostConfig"]
    assert (host["RestartPolicy"]["Name"], host["NetworkMode"], host["CapDrop"]) == ("always", "host", ["ALL"])
    assert host["ReadonlyRootfs"] and not host["Privileged"]
    assert all(key.startswith("io.stagecraft.proxy") for key in told["Config"]["Labels"])
    uids = docker("top", lab.container, "-o", "uid,pid").splitlines()[1:]
    assert sorted(row.split()[0] for row in uids) == ["0", "99"]


def test_another_image_waits_until_the_proxy_is_removed_and_a_warning_says_so(lab: Lab) -> None:
    lab.ensure(lab.route())
    identity = docker("inspect", "-f", "{{.Id}}", lab.container)
    lab.proxy(image="haproxy:lts").ensure(lab.ctx, LOCAL, (lab.route(),))
    assert docker("inspect", "-f", "{{.Id}}", lab.container) == identity
    assert [level for level, text in lab.ctx.logged if "until it is removed" in text] == ["warning"]


def test_remove_leaves_nothing(lab: Lab) -> None:
    lab.ensure(lab.route())
    for _ in range(2):
        lab.proxy().remove(lab.ctx, LOCAL)
    assert lab.container not in docker("ps", "-a", "--format", "{{.Names}}")
    assert not lab.folder.exists()


def test_a_container_of_that_name_that_is_somebody_elses_is_left_alone(lab: Lab) -> None:
    docker("run", "-d", "--name", lab.container, "busybox", "sleep", "60")
    with pytest.raises(ProviderError, match="not this environment's proxy"):
        lab.ensure(lab.route())
    with pytest.raises(ProviderError, match="not this environment's proxy"):
        lab.proxy().remove(lab.ctx, LOCAL)
    assert docker("inspect", "-f", "{{.State.Running}}", lab.container) == "true"
