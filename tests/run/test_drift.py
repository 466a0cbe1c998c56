"""What `drift` calls a difference, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .operated import Fleet


def differences(fleet: Fleet, *flags: str, code: int = 1) -> list[tuple[str, str, str]]:
    document = json.loads(fleet("drift", "--json", *flags, code=code).out)
    return [(d["host"], d["kind"], d["what"]) for d in document["drift"]]


def test_what_was_just_deployed_does_not_differ(fleet: Fleet) -> None:
    assert fleet("drift", code=0).out == f"prod: all 3 hosts are as 1 ({fleet.serving}) wants\n"
    fleet.deploy("2")
    assert differences(fleet, code=0) == [], "db was left untouched, and is as the release wants it"
    fleet("rollback", code=0)
    assert differences(fleet, code=0) == []


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"state": "exited", "exit_code": 1}, "stopped"),
        ({"state": "restarting"}, "stopped"),
        ({"health": "unhealthy"}, "unhealthy"),
        ({"active": False}, "missing"),
        ({"state": "missing", "id": ""}, "missing"),
    ],
)
def test_an_instance_that_is_not_as_it_should_be_is_named(fleet: Fleet, changed: dict[str, Any], kind: str) -> None:
    fleet.change("app-2", "api", **changed)
    found = differences(fleet)
    assert ("app-2", kind, "api") in found
    assert {host for host, _, _ in found} == {"app-2"}


def test_one_that_ended_as_it_was_meant_to_does_not_differ(fleet: Fleet) -> None:
    fleet.change("db-1", "db", state="exited", exit_code=0)
    assert differences(fleet, code=0) == []


def test_an_instance_of_another_release_is_named(fleet: Fleet) -> None:
    first = fleet.serving
    second = fleet.deploy("2")
    fleet.put_back("app-1", "api", first)
    printed = fleet("drift", code=1)
    assert printed.out.splitlines()[0] == f"prod: 1 difference from 2 ({second}) on 1 of 3 hosts"
    assert printed.out.splitlines()[2].split() == ["app-1", "release", "api", second, first]
    assert printed.err == "hint: `stagecraft deploy -e prod` makes the hosts as the project's files say\n"


def test_what_nobody_wants_is_named(fleet: Fleet) -> None:
    path = fleet.host("db-1") / "instances.json"
    listed = json.loads(path.read_text())
    path.write_text(json.dumps([*listed, {**listed[0], "id": "by-hand"}, {**listed[0], "service": "shell", "id": "x"}]))
    assert differences(fleet) == [("db-1", "extra", "db"), ("db-1", "extra", "shell")]


def test_a_file_that_was_changed_by_hand_is_named(fleet: Fleet) -> None:
    (fleet.host("app-1") / fleet.serving / "units.json").write_text("{}")
    assert differences(fleet) == [("app-1", "file", "units.json")]
    assert differences(fleet, "--service", "api", code=0) == [], "files are no one service's"


def test_hosts_that_cannot_be_asked_do_not_hide_what_differs_elsewhere(fleet: Fleet) -> None:
    fleet.down("app-1")
    fleet.change("app-2", "api", health="unhealthy")
    printed = fleet("drift", code=10)
    assert "1 difference from 1" in printed.out
    assert "on 1 of 2 hosts" in printed.out
    assert printed.err.startswith("error: app-1: cannot reach app-1\n")
    fleet.change("app-2", "api", health="healthy")
    assert fleet("drift", code=10).out.startswith("prod: 2 hosts are as 1 ")
    assert fleet("drift", "--host", "app-1", code=2).out == ""


def test_before_the_first_deploy_there_is_nothing_to_compare_with(fleet: Fleet) -> None:
    (fleet.folder / "stagecraft.yml").write_text(
        (fleet.folder / "stagecraft.yml").read_text() + "  new: {runtime: paper}\n"
    )
    assert "nothing was deployed to new yet" in fleet("drift", "-e", "new", code=1).err
