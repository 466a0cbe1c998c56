"""Releases on several real hosts; what is asserted is read from the hosts themselves, past SSH."""

from __future__ import annotations

import shlex
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ProviderError, Refused, StagecraftError, ToolMissing, Unhealthy
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.runtime import Execution, LogQuery
from stagecraft_hookspecs.values import Severity

from tests.testbed import faults, images
from tests.testbed.fixtures import *  # noqa: F403
from tests.testbed.handles import TestHost

from .conftest import page
from .fleet import Fleet, SshMachine

pytestmark = pytest.mark.needs("hosts")


def fleet_of(root: Path, sockets: Path, *beds: TestHost) -> Fleet:
    for bed in beds:
        images.put(bed, "busybox:latest")
    return Fleet(root, f"scf{uuid.uuid4().hex[:8]}", {bed.name: SshMachine(bed, sockets) for bed in beds})


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def fleet(clean_hosts: tuple[TestHost, ...], tmp_path: Path, sockets: Path) -> Fleet:
    return fleet_of(tmp_path, sockets, *clean_hosts)


@pytest.fixture
def one(clean_hosts: tuple[TestHost, ...], tmp_path: Path, sockets: Path) -> Fleet:
    """A fleet of one host, for what has nothing to do with how many there are."""
    return fleet_of(tmp_path, sockets, clean_hosts[0])


def answer(address: str, port: int = 8080) -> str:
    with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as response:
        return str(response.read().decode().strip())


def bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, **({"read_only": True} if read_only else {})}


def refused(fleet: Fleet, services: dict[str, Any], *steps: str) -> StagecraftError:
    with pytest.raises(StagecraftError) as caught:
        fleet.run(fleet.targets("r1", services, previous=""), *steps)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_each_host_runs_the_services_of_its_role_and_nothing_else(fleet: Fleet) -> None:
    h1, h2, h3 = fleet.machines
    fleet.roles = {"db": (h3,), "web": (h1, h2)}
    services = {"db": page("v1"), "web": page("v1", 8080, depends_on={"db": {"condition": "service_healthy"}})}
    fleet.deploy("r1", services)

    assert [fleet.states(h) for h in (h1, h2, h3)] == [{"web": ["running"]}, {"web": ["running"]}, {"db": ["running"]}]
    assert answer(fleet.machines[h1].bed.address) == "v1"
    fleet.deploy("r2", {**services, "web": page("v2", 8080)})
    assert [fleet.inside(h, "web", "cat", "/w/index.html") for h in (h1, h2)] == ["v2", "v2"]
    assert fleet.states(h3) == {"db": ["running"]}
    assert fleet.states(h1) == {"web": ["exited", "running"]}


def test_a_release_that_changes_nothing_touches_nothing_and_takes_few_round_trips(fleet: Fleet) -> None:
    services = {name: page("v1") for name in ("a", "b", "c", "d")}
    fleet.deploy("r1", services)
    before = {h: {s: fleet.running(h, s) for s in services} for h in fleet.machines}
    for machine in fleet.machines.values():
        machine.commands.clear()
        machine.trips = 0
    fleet.deploy("r2", services)

    assert {h: {s: fleet.running(h, s) for s in services} for h in fleet.machines} == before
    for machine in fleet.machines.values():
        said = [c.argv[3] for c in machine.commands]
        assert said == ["facts", "recall", "folder", "recall", "recall"]
        assert machine.trips == 8  # these, the upload, services.json, current


def test_read_only_files_and_folders_travel_with_the_release_and_come_back_with_it(one: Fleet) -> None:
    (one.root / "conf" / "deep").mkdir(parents=True)
    (one.root / "conf" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (one.root / "conf" / "run.sh").chmod(0o755)
    (one.root / "conf" / "plain.sh").write_text("#!/bin/sh\n")
    (one.root / "conf" / "deep" / "a b$c").write_text("one")
    (one.root / "app.conf").write_text("first")
    (one.root / "empty").mkdir()
    mounts = [
        bind(str(one.root / "conf"), "/conf", read_only=True),
        bind("./app.conf", "/app.conf", read_only=True),
        bind("./empty", "/empty", read_only=True),
    ]
    services = {"web": page("v1", volumes=mounts, user="65534", command=["sh", "-c", "httpd -f -p 8000 -h /conf/deep"])}
    services["web"] |= {"healthcheck": {"disable": True}, "stop_grace_period": "0s"}
    one.deploy("r1", services)
    host = next(iter(one.machines))

    assert one.inside(host, "web", "cat", "/conf/deep/a b$c", "/app.conf") == "onefirst"
    assert one.inside(host, "web", "/conf/run.sh") == "ran"
    assert one.inside(host, "web", "sh", "-c", "test -x /conf/plain.sh || echo no") == "no"
    assert one.inside(host, "web", "ls", "/empty") == ""
    first = one.running(host, "web")
    (one.root / "conf" / "deep" / "a b$c").write_text("two")
    one.deploy("r2", services)
    assert one.inside(host, "web", "cat", "/conf/deep/a b$c") == "two"
    one.run(one.targets("r2", services, previous="r1"), "undo")
    assert one.running(host, "web") == first
    assert one.inside(host, "web", "cat", "/conf/deep/a b$c") == "one"
    assert one.machines[host].bed.sh(f"stat -c %a {one.home(host)}/releases/r1").strip() == "700"


def test_what_services_write_is_sent_once_and_then_never_touched(one: Fleet) -> None:
    (one.root / "data" / "in").mkdir(parents=True)
    (one.root / "data" / "in" / "seed").write_text("from the project")
    services = {"web": page("v1", volumes=[bind("./data", "/data"), bind("./logs", "/logs")])}
    one.deploy("r1", services)
    host = next(iter(one.machines))
    assert one.inside(host, "web", "cat", "/data/in/seed") == "from the project"
    one.inside(host, "web", "sh", "-c", "echo mine > /data/in/seed; echo line > /logs/a")

    (one.root / "data" / "in" / "seed").write_text("changed in the project")
    services["web"]["environment"] = {"V": "v2"}
    one.deploy("r2", services)
    assert one.inside(host, "web", "cat", "/data/in/seed", "/logs/a") == "mine\nline"
    one.run(one.targets("r2", services, previous="r1"), "undo")
    assert one.inside(host, "web", "cat", "/data/in/seed", "/logs/a") == "mine\nline"
    one.deploy("r3", {"web": page("v3")}, previous="r1", expired=["r1", "r2"])
    assert one.machines[host].bed.sh(f"cat {one.home(host)}/data/logs/a").strip() == "line"


def test_the_plan_says_which_mounts_go_how(one: Fleet) -> None:
    (one.root / "conf").mkdir()
    (one.root / "conf" / "a").write_text("abc")
    (one.root / "nginx.conf").write_text("x")
    mounts = [
        bind("./conf", "/a", read_only=True),
        bind("./data", "/b"),
        bind("./nginx.conf", "/c"),
        bind("/srv/shared", "/d"),
        bind(".", "/e"),
        bind("./gone", "/f", read_only=True),
    ]
    found = one.render("r1", {"web": page("v1", volumes=mounts)}).findings
    said = {f.message: (f.code, f.severity) for f in found if f.code.startswith("bind-mount")}

    assert said == {
        "web: ./conf travels with each release (1 files, 3 bytes)": ("bind-mount-shipped", Severity.INFO),
        "web: ./data is kept on each host, below data/; what the project has there is sent once": (
            "bind-mount-kept",
            Severity.INFO,
        ),
        "web: ./nginx.conf is sent to each host once and then kept: later changes to the file do not reach it": (
            "bind-mount-file-kept",
            Severity.WARNING,
        ),
        "web: uses /srv/shared of each host as it is": ("bind-mount-of-host", Severity.INFO),
        "web: mounts the whole project, which does not travel": ("bind-mount-refused", Severity.ERROR),
        "web: mounts ./gone, which is not in the project": ("bind-mount-refused", Severity.ERROR),
    }


def test_a_port_that_a_proxy_takes_over_is_freed_and_undo_gives_it_back(one: Fleet) -> None:
    host, *_ = one.machines
    one.deploy("r1", {"web": page("v1", 8080), "other": page("v1", 8081)})
    old = one.running(host, "web")
    one.routes = {"web": (Route("web-8080", "web", 8080, 8000),)}
    targets = one.targets("r2", {"web": page("v2"), "other": page("v1", 8081)})
    assert targets[host].policies["web"].order == "start-first"
    one.run(targets, "prepare")
    assert one.states(host)["web"] == ["running", "running"]
    (new,) = [i for i in one.instances(host, "r2") if i.service == "web"]
    assert (new.state, new.health) == ("running", "healthy")
    asked = 'exec 3<>/dev/tcp/$0/8000; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'
    assert one.machines[host].bed.sh(f"bash -c {shlex.quote(asked)} {new.address}").endswith("v2\n")

    one.run(targets, "switch")
    assert one.running(host, "web") == new.id
    assert ":8080" not in one.machines[host].bed.docker("ps", "--format", "{{.Ports}}")
    assert ":8081" in one.machines[host].bed.docker("ps", "--format", "{{.Ports}}")
    one.run(targets, "undo")
    assert one.running(host, "web") == old
    assert answer(one.machines[host].bed.address) == "v1"


def test_instances_of_a_release_are_told_whoever_started_them(one: Fleet) -> None:
    host, *_ = one.machines
    one.deploy("r1", {"a": page("v1"), "b": page("v1")})
    first = {i.service: i.id for i in one.instances(host, "r1")}
    one.run(one.targets("r2", {"a": page("v1"), "b": page("v2")}), "prepare")

    prepared = {i.service: i for i in one.instances(host, "r2")}
    assert prepared["a"].id == first["a"]
    assert prepared["b"].id != first["b"]
    assert {i.service: i.active for i in one.instances(host, "r2")} == {"a": True, "b": False}
    assert {i.service: i.id for i in one.instances(host, "r1")} == first
    assert one.instances(host, "never") == ()


def test_logs_exec_and_one_off_runs_work_on_a_host(one: Fleet) -> None:
    host, *_ = one.machines
    one.secrets["TOKEN"] = "hush"
    one.deploy("r1", {"web": page("v1", environment={"V": "v1", "TOKEN": "<secret:TOKEN>"})})
    machine = one.machines[host]

    assert machine.run(one.command(host, "r1", LogQuery())).stdout == "web | serving v1\n"
    assert machine.run(one.command(host, "r1", Execution("web", ("cat", "/w/index.html")))).stdout == "v1\n"
    once = Execution("web", ("sh", "-c", 'echo "$V $TOKEN"; exit 3'), oneoff=True)
    result = machine.run(one.command(host, "r1", once), check=False)
    assert (result.stdout, result.exit_code) == ("v1 hush\n", 3)
    assert one.states(host) == {"web": ["running"]}
    env = f"{one.home(host)}/releases/r1/env/web.env"
    assert machine.bed.sh(f"stat -c %a {env}").strip() == "600"


def test_a_release_that_fails_on_one_host_is_undone_on_all(fleet: Fleet) -> None:
    h1, h2, h3 = fleet.machines
    fleet.deploy("r1", {"web": page("v1", 8080)})
    before = {h: fleet.running(h, "web") for h in fleet.machines}
    targets = fleet.targets("r2", {"web": page("v2", 8080)})
    fleet.run(targets, "prepare")
    fleet.run({h: targets[h] for h in (h1, h2)}, "switch")
    fleet.run(targets, "undo")
    fleet.run(targets, "undo")

    assert {h: fleet.running(h, "web") for h in fleet.machines} == before
    assert {h: fleet.states(h) for h in fleet.machines} == {h: {"web": ["running"]} for h in fleet.machines}
    assert fleet.machines[h3].bed.sh(f"ls {fleet.home(h3)}/releases").split() == ["r1"]


def test_a_stranger_on_the_port_is_named_by_preflight(fleet: Fleet) -> None:
    h1, h2, h3 = fleet.machines
    fleet.machines[h1].bed.docker("run", "-d", "--name", "stranger", "-p", "8080:1", "busybox:latest", "sleep", "100")
    services = {"web": page("v1", 8080)}
    one = fleet.targets("r1", services, previous="")
    with pytest.raises(ProviderError) as caught:
        fleet.run({h1: one[h1]}, "preflight")
    assert caught.value.message == f"port 8080 of web is taken on {h1} by container stranger"
    with faults.port_taken(fleet.machines[h2].bed, 8080), pytest.raises(ProviderError) as caught:
        fleet.run({h2: one[h2]}, "preflight")
    assert caught.value.message.startswith(f"port 8080 of web is taken on {h2} by ")
    fleet.run({h3: one[h3]}, "preflight")


def test_all_that_is_wrong_with_a_host_is_said_at_once(one: Fleet) -> None:
    h1, *_ = one.machines
    one.machines[h1].bed.docker("run", "-d", "--name", "stranger", "-p", "8080:1", "busybox:latest", "sleep", "100")
    services = {"arm": page("v1", platform="linux/s390x"), "web": page("v1", 8080)}
    with pytest.raises(ProviderError) as caught:
        one.run({h1: one.targets("r1", services, previous="")[h1]}, "preflight")

    assert caught.value.message.startswith(f"{h1} cannot take the release, for 2 reasons: port 8080 of web is taken")
    assert "arm is for linux/s390x, and" in caught.value.message
    assert len(caught.value.detail.splitlines()) == 4


def test_a_clock_that_is_off_is_mentioned_and_refuses_nothing(one: Fleet) -> None:
    h1, *_ = one.machines
    with faults.clock_skewed(one.machines[h1].bed, "+3d"):
        one.run({h1: one.targets("r1", {"web": page("v1")})[h1]}, "preflight")
    levels = [level for level, message in one.context.logged if f"the clock of {h1} is" in message]

    assert levels == ["warning"]


def test_an_engine_that_is_stopped_or_that_one_may_not_use_is_said_so(one: Fleet) -> None:
    h1, *_ = one.machines
    target = {h1: one.targets("r1", {"web": page("v1")})[h1]}
    with faults.engine_stopped(one.machines[h1].bed, "TERM"), pytest.raises(ToolMissing) as caught:
        one.run(target, "preflight")
    assert caught.value.message == f"the Docker engine on {h1} does not run"
    assert caught.value.hint


def test_a_host_without_room_is_refused_before_anything_is_built(make_host: Any, tmp_path: Path, sockets: Path) -> None:
    small = fleet_of(tmp_path, sockets, make_host(disk="tmpfs:200M"))
    (name,) = small.machines
    error = refused(small, {"web": page("v1")}, "preflight")

    assert isinstance(error, Refused)
    assert error.message.startswith("only ")
    assert f"MB free below /var/lib/docker on {name}" in error.message


def test_a_container_out_of_memory_names_its_limit(one: Fleet) -> None:
    h1, *_ = one.machines
    hungry = page("v1", command=["sh", "-c", "x=a; while :; do x=$x$x; done"], healthcheck={"disable": True})
    hungry["deploy"] = {"resources": {"limits": {"memory": "16777216"}}, "update_config": {"monitor": "20s"}}
    target = {h1: one.targets("r1", {"web": hungry})[h1]}
    with pytest.raises(Unhealthy) as caught:
        one.run(target, "prepare")
    assert caught.value.message == f"web on {h1} was killed for lack of memory (its limit is 16 MB)"
    assert "raise the memory limit of 16 MB of web" in caught.value.hint
    one.run(target, "undo")
    assert one.states(h1) == {}


def test_undo_holds_its_time_though_a_container_ignores_the_stop_signal(one: Fleet) -> None:
    """The switch was interrupted while it stopped the old container, which has a grace of 30 s and will not go."""
    h1, *_ = one.machines
    deaf = page("v1", 8080, stop_grace_period="30s")
    deaf["command"] = ["sh", "-c", deaf["command"][2].replace("trap 'exit 0' TERM", "trap '' TERM")]
    new = page("v2", 8080, stop_grace_period="30s")
    new["command"] = deaf["command"]
    one.deploy("r1", {"web": deaf})
    old = one.running(h1, "web")
    target = {h1: one.targets("r2", {"web": new})[h1]}
    one.run(target, "prepare")
    machine = one.machines[h1]
    machine.write(f"{one.home(h1)}/stopping", f"r2\n{old}\n".encode())
    stop = threading.Thread(target=machine.bed.docker, args=("stop", "-t", "30", old))
    stop.start()
    begun = time.monotonic()
    one.run(target, "undo")

    took = time.monotonic() - begun
    stop.join()
    assert took < 9
    assert one.running(h1, "web") == old
    assert answer(one.machines[h1].bed.address) == "v1"
