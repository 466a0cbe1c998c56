"""Kill the deployer anywhere; then undo makes the old release serve, and repeating makes the new one serve."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from .conftest import Lab, page

pytestmark = pytest.mark.needs("docker")

ALL = bool(os.environ.get("STAGECRAFT_ALL_FAULTS"))
#: At which effect (a command, a file written, a request that changes something) the deployer is killed, and whether
#: just before it or while it goes on. A whole deploy has about 33; a sample is tried unless STAGECRAFT_ALL_FAULTS is
#: set.
MOMENTS = [(n, during) for n in range(1, 36) for during in (False, True)]
SAMPLE = MOMENTS if ALL else MOMENTS[4::6]


def services(version: str, port: int) -> dict[str, Any]:
    """A start-first service, a stop-first one that needs it, and one that stops slowly."""
    slow = page(version, container_name="", deploy={"update_config": {"order": "stop-first"}})
    slow["command"] = ["sh", "-c", slow["command"][2].replace("'exit 0'", "'sleep 1; exit 0'")]
    needs = {"api": {"condition": "service_healthy"}}
    return {"api": page(version), "web": page(version, port, depends_on=needs), "slow": slow}


def kill_at(lab: Lab, spec: dict[str, Any], number: int, during: bool) -> None:
    """Deploy until the kill; a number beyond the last effect lets the deploy end."""
    process = lab.start({**spec, "die_at": number, "during": during}, "prepare", "switch", "retire")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL or "effects" in output, output


def versions(lab: Lab) -> dict[str, str]:
    """What each service serves, asked inside its running container; there must be exactly one."""
    found = {}
    for row in lab.ps(all=False):
        service = dict(pair.partition("=")[::2] for pair in row["Labels"].split(","))["com.docker.compose.service"]
        assert service not in found, f"two containers of {service} run"
        found[service] = lab.docker("exec", row["ID"], "wget", "-qO-", "http://127.0.0.1:8000/")
    return found


@pytest.mark.parametrize(("number", "during"), SAMPLE)
def test_after_a_kill_undo_makes_the_old_release_serve(lab: Lab, number: int, during: bool) -> None:
    lab.deploy("r1", services("v1", lab.port))
    before = lab.ids(all=True)
    spec = lab.spec("r2", services("v2", lab.port))
    kill_at(lab, spec, number, during)
    lab.run(spec, "undo")

    assert lab.get() == "v1"
    assert versions(lab) == {"api": "v1", "slow": "v1", "web": "v1"}
    assert lab.ids(all=True) == before
    time.sleep(1.5)
    assert versions(lab) == {"api": "v1", "slow": "v1", "web": "v1"}
    releases = lab.root / ".stagecraft" / "home" / "prod" / "releases"
    assert [p.name for p in releases.iterdir()] == ["r1"]


@pytest.mark.parametrize(("number", "during"), SAMPLE)
def test_after_a_kill_the_same_steps_make_the_new_release_serve(lab: Lab, number: int, during: bool) -> None:
    lab.deploy("r1", services("v1", lab.port))
    spec = lab.spec("r2", services("v2", lab.port))
    kill_at(lab, spec, number, during)
    lab.run(spec, "prepare", "switch", "retire")

    assert lab.get() == "v2"
    assert versions(lab) == {"api": "v2", "slow": "v2", "web": "v2"}
    assert lab.states() == {name: ["exited", "running"] for name in ("api", "slow", "web")}


@pytest.mark.parametrize("number", range(1, 24) if ALL else (2, 8, 12, 15))
def test_after_a_kill_of_a_first_deploy_undo_leaves_nothing(lab: Lab, number: int) -> None:
    spec = lab.spec("r1", services("v1", lab.port))
    kill_at(lab, spec, number, True)
    lab.run(spec, "undo")
    time.sleep(0.5)

    assert lab.ps() == []


def test_a_deploy_that_nobody_kills_has_as_many_effects_as_are_tried(lab: Lab) -> None:
    lab.deploy("r1", services("v1", lab.port))
    process = lab.start(lab.spec("r2", services("v2", lab.port)), "prepare", "switch", "retire")
    output, _ = process.communicate(timeout=120)

    assert 20 <= int(output.split()[-1]) <= MOMENTS[-1][0]
