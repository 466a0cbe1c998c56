"""Releases on a real engine: rolled by the tool, recreated by Compose, broken, interrupted, undone."""

from __future__ import annotations

import pytest
from stagecraft_docker_rollout.config import Config
from stagecraft_docker_rollout.runtime import DockerRollout
from stagecraft_hookspecs.errors import ToolMissing, Unhealthy

from .conftest import Lab, worker

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(240)]
ONE, TWO, THREE = (f"rel-20250102-00000000{n}" for n in (1, 2, 3))


def test_only_what_changed_is_rolled(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1"), "other": worker("1")})
    assert lab.tools() == [], "nothing is there yet to be replaced"
    before = {i.service: i.id for i in lab.observe()}
    prepared = lab.deploy(TWO, {"web": worker("2"), "other": worker("1")})
    assert (prepared.changed, prepared.unchanged) == (("web",), ("other",))
    assert lab.tools() == ["web"]
    assert lab.containers() == {"other": ["1"], "web": ["2"]}
    after = {i.service: i for i in lab.observe()}
    assert after["other"].id == before["other"]
    assert after["web"].release_id == TWO and after["web"].active


def test_several_instances_stay_several(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1", replicas=2)})
    lab.deploy(TWO, {"web": worker("2", replicas=2)})
    assert lab.containers() == {"web": ["2", "2"]}
    lab.deploy(THREE, {"web": worker("3", replicas=3)})
    assert lab.containers() == {"web": ["3", "3", "3"]}
    lab.deploy("rel-20250102-000000004", {"web": worker("4", replicas=1)})
    assert lab.containers() == {"web": ["4"]}


def test_dependencies_are_left_alone(lab: Lab) -> None:
    """The tool starts what a service depends on, and would bring it to one container."""
    needs = {"depends_on": {"db": {"condition": "service_healthy", "required": True}}}
    lab.deploy(ONE, {"db": worker("1", replicas=2), "web": worker("1", **needs)})
    before = {i.id for i in lab.observe() if i.service == "db"}
    lab.deploy(TWO, {"db": worker("1", replicas=2), "web": worker("2", **needs)})
    assert {i.id for i in lab.observe() if i.service == "db"} == before
    assert lab.containers() == {"db": ["1", "1"], "web": ["2"]}


def test_what_cannot_run_twice_is_recreated_by_compose(lab: Lab) -> None:
    alone = {"container_name": f"{lab.project}-alone"}
    lab.deploy(ONE, {"web": worker("1", **alone)})
    lab.deploy(TWO, {"web": worker("2", **alone)})
    assert lab.tools() == []
    assert lab.containers() == {"web": ["2"]}
    assert "V=2" in lab.docker("inspect", f"{lab.project}-alone")


def test_an_unhealthy_release_is_told_and_undone(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1")})
    (served,) = (i.id for i in lab.observe())
    sick = {"test": ["CMD-SHELL", "echo very sick; exit 1"], "interval": "1s", "timeout": "1s", "retries": 1}
    target = lab.target(TWO, {"web": worker("2", healthcheck=sick)})
    lab.run(target, "prepare")
    with pytest.raises(Unhealthy, match="web on local is unhealthy") as raised:
        lab.run(target, "switch")
    assert "very sick" in raised.value.detail and "serving 2" in raised.value.detail
    assert raised.value.diagnosis[0]["probe"] == {"exit_code": 1, "output": "very sick"}
    lab.run(target, "undo")
    assert [i.id for i in lab.observe()] == [served], "the old container ran on all the time"
    assert lab.containers() == {"web": ["1"]}


def test_without_a_healthcheck_what_does_not_stay_up_is_noticed(lab: Lab) -> None:
    """The tool stops the old containers all the same; so the previous release is made again."""
    lab.deploy(ONE, {"web": worker("1", healthcheck=None)})
    crash = worker("2", healthcheck=None, command=["sh", "-c", "echo no database; exit 3"])
    target = lab.target(TWO, {"web": crash})
    lab.run(target, "prepare")
    with pytest.raises(Unhealthy, match="exited with code 3"):
        lab.run(target, "switch")
    lab.run(target, "undo")
    assert lab.containers() == {"web": ["1"]}
    assert [(i.release_id, i.state) for i in lab.observe()] == [(ONE, "running")]


@pytest.mark.parametrize("left", ["doubled", "created", "replaced"])
def test_a_killed_run_leaves_nothing_for_ever(lab: Lab, left: str) -> None:
    lab.deploy(ONE, {"web": worker("1")})
    target = lab.target(TWO, {"web": worker("2")})
    lab.run(target, "prepare", "switch")
    (new,) = (i.id for i in lab.observe())
    folder = f"{lab.context.home()}/releases/{ONE}"
    flags = ("-f", f"{folder}/rollout-web.json", "--env-file", f"{folder}/.env", "-p", f"{lab.project}-prod")
    verb = ("create",) if left == "created" else ("up", "-d")
    lab.docker("compose", "--project-directory", folder, *flags, *verb, "--no-recreate", "--scale", "web=2", "web")
    if left == "replaced":
        lab.docker("rm", "-f", new)
    lab.run(target, "prepare", "switch", "retire")
    assert [v for v in lab.containers()["web"] if " " not in v] == ["2"], "one container runs"
    lab.last = TWO
    lab.deploy(THREE, {"web": worker("3")})
    assert lab.containers() == {"web": ["3"]}


def test_the_hook_runs_in_the_old_container(lab: Lab) -> None:
    lab.config = Config(wait=1.0, pre_stop_hook="echo drained $V > /proc/1/fd/1; sleep 0.2")
    watch = worker("1", volumes=[{"type": "bind", "source": str(lab.root), "target": "/out", "read_only": True}])
    lab.deploy(ONE, {"web": watch})
    lab.deploy(TWO, {"web": {**watch, "environment": {"V": "2"}}})
    (command,) = (c for c in lab.context.machine().commands if "--pre-stop-hook" in c.argv)
    assert command.argv[command.argv.index("--pre-stop-hook") + 1] == lab.config.pre_stop_hook
    assert lab.containers() == {"web": ["2"]}


def test_a_rollback_is_a_rollout_of_the_former_release(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1")})
    lab.deploy(TWO, {"web": worker("2")})
    lab.deploy(THREE, {"web": worker("1")})
    assert lab.tools() == ["web", "web"]
    assert lab.containers() == {"web": ["1"]}


def test_a_service_that_left_the_file_is_stopped(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1"), "gone": worker("1")})
    lab.deploy(TWO, {"web": worker("1")})
    assert lab.containers()["web"] == ["1"]
    assert [i.service for i in lab.observe() if i.state == "running"] == ["web"]


def test_without_the_tool_nothing_is_begun(lab: Lab) -> None:
    (lab.root / "docker/cli-plugins/docker-rollout").unlink()
    target = lab.target(ONE, {"web": worker("1")})
    for step in ("preflight", "prepare"):
        with pytest.raises(ToolMissing, match="docker-rollout is not installed on local"):
            lab.run(target, step)
    assert lab.containers() == {}


def test_services_named_alone_are_the_only_ones_touched(lab: Lab) -> None:
    lab.deploy(ONE, {"db": worker("1"), "web": worker("1")})
    lab.run(lab.target(TWO, {"db": worker("2"), "web": worker("2")}, only=("db",)), "prepare", "switch")
    assert lab.containers() == {"db": ["2"], "web": ["1"]}


def test_the_plan_says_which_command_replaces_what(lab: Lab) -> None:
    draft = DockerRollout.Renderer(lab.config).render(
        lab.target(
            ONE, {"web": worker("1"), "db": worker("1", container_name="db"), "raw": worker("1", healthcheck=None)}
        ).deployment
    )
    reasons = {name: policy.reason.rpartition("(")[2].rstrip(")") for name, policy in draft.policies.items()}
    assert reasons == {"db": "docker compose up", "raw": "docker rollout", "web": "docker rollout"}
    codes = {(f.services[0], f.code) for f in draft.findings}
    assert ("raw", "rollout-without-healthcheck") in codes and ("raw", "no-healthcheck") not in codes
    assert ("web", "rollout-without-drain") in codes
    assert ("db", "start-first-container-name") in codes
