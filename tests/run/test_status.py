"""What `status` makes of what hosts show: a host that fails, versions that are mixed, a run that did not end."""

from __future__ import annotations

import json

import pytest
from stagecraft_hookspecs.errors import InternalError, NotFound, ProviderError
from stagecraft_hookspecs.values import Host

from stagecraft.run.fleet import each

from .operated import Fleet


def test_all_that_runs_is_told_of_every_host(fleet: Fleet) -> None:
    printed = fleet("status", code=0)
    rows = [line.split() for line in printed.out.splitlines()[1:]]
    assert [row[:4] for row in rows] == [
        ["SERVICE", "HOST", "WELL", "HEALTH"],
        ["api", "app-1", "1/1", "healthy"],
        ["api", "app-2", "1/1", "healthy"],
        ["db", "db-1", "1/1", "healthy"],
    ]
    assert printed.err == ""


def test_a_host_that_fails_hides_nothing_of_the_others(fleet: Fleet) -> None:
    fleet.down("app-2")
    printed = fleet("status", code=10)
    assert "api      app-1  1/1   healthy" in printed.out
    assert "api      app-2  ?/1   unknown" in printed.out
    assert printed.err == "error: app-2: cannot reach app-2\nhint: see whether it is up: ping app-2\n"
    document = json.loads(fleet("status", "--json", code=10).out)
    assert document["failures"] == [
        {
            "host": "app-2",
            "code": "provider",
            "message": "cannot reach app-2",
            "hint": "see whether it is up: ping app-2",
        }
    ]
    assert (document["healthy"], [i["host"] for i in document["instances"]]) == (False, ["app-1", "db-1"])


def test_when_every_host_fails_each_is_named(fleet: Fleet) -> None:
    fleet.down("app-1", "app-2", "db-1")
    printed = fleet("status", code=2)
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: none of the 3 hosts could be asked",
        "  app-1: cannot reach app-1",
        "  app-2: cannot reach app-2",
        "  db-1: cannot reach db-1",
        "hint: see whether it is up: ping app-1",
    ]
    assert fleet("status", "--host", "app-2", code=2).err.startswith("error: cannot reach app-2\nhint: ")


@pytest.mark.parametrize(
    ("flags", "hosts"),
    [
        ("--host app-2", {"app-2"}),
        ("--host app-2,db-1", {"app-2", "db-1"}),
        ("--host app-2 --host db-1", {"app-2", "db-1"}),
        ("--role app", {"app-1", "app-2"}),
        ("--role app --host db-1", {"app-1", "app-2", "db-1"}),
        ("--service db", {"db-1"}),
    ],
)
def test_hosts_and_services_are_chosen(fleet: Fleet, flags: str, hosts: set[str]) -> None:
    document = json.loads(fleet("status", *flags.split(), "--json", code=0).out)
    assert {row["host"] for row in document["services"]} == hosts


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--host app-3", "no host 'app-3'; did you mean 'app-2'?"),
        ("--role apps", "no role 'apps'; did you mean 'app'?"),
        ("--service apo", "no service 'apo'; did you mean 'api'?"),
        ("--host app-1 --host ,", "no host"),
    ],
)
def test_an_unknown_name_is_refused(fleet: Fleet, flags: str, said: str) -> None:
    if "," in flags:
        assert json.loads(fleet("status", *flags.split(), "--json", code=0).out)["services"][0]["host"] == "app-1"
    else:
        assert f"error: {said}" in fleet("status", *flags.split(), code=1).err


def test_a_release_that_only_some_hosts_have_is_flagged(fleet: Fleet) -> None:
    first = fleet.serving
    fleet.deploy("2")
    assert "mixed" not in fleet("status", code=0).out
    fleet.put_back("app-2", "api", first)
    out = fleet("status", code=0).out
    assert f"warning: mixed versions: api is of {fleet.serving} on app-1, of {first} on app-2\n" in out
    assert {"service": "api", "host": "app-2", "release": first} in json.loads(fleet("status", "--json").out)["mixed"]


def test_an_instance_that_was_left_untouched_is_no_mixed_version(fleet: Fleet) -> None:
    first = fleet.serving
    fleet.deploy("2")
    fleet.put_back("db-1", "db", first)  # db is the same in both releases
    assert "mixed" not in fleet("status", code=0).out


def test_an_unwell_instance_makes_the_exit_code_2(fleet: Fleet) -> None:
    fleet.change("app-2", "api", health="unhealthy")
    printed = fleet("status", code=2)
    assert "api      app-2  0/1   unhealthy" in printed.out
    assert fleet("status", "--host", "app-1", code=0).out


def test_a_fault_of_a_plugin_is_no_hosts_fault() -> None:
    class Broken:
        scope = None

    def look(host: Host) -> None:
        if host.name == "a":
            raise InternalError("a bug")
        raise ProviderError("down")

    class Alive:
        class scope:
            @staticmethod
            def check() -> None: ...

    with pytest.raises(InternalError, match="a bug"):
        each(Alive(), (Host("a"), Host("b")), look)  # type: ignore[arg-type]
    assert [f.host for f in each(Alive(), (Host("b"), Host("c")), look).failures] == ["b", "c"]  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        each(Alive(), (Host("d"),), lambda host: (_ for _ in ()).throw(NotFound("x", "y"))).unless_all_failed()  # type: ignore[arg-type]
