"""Releases on a real swarm of one node: replaced, left alone, broken, undone."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.errors import Refused, Unhealthy
from stagecraft_hookspecs.runtime import Execution, LogQuery, View
from stagecraft_swarm.runtime import Swarm

from .lab import NODE, Lab, worker

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(300)]
ONE, TWO, THREE = (f"rel-20250102-00000000{n}" for n in (1, 2, 3))


def test_only_what_changed_is_replaced(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1"), "other": worker("1")})
    before = {i.service: i for i in lab.observe()}
    prepared = lab.deploy(TWO, {"web": worker("2"), "other": worker("1")})
    assert (prepared.changed, prepared.unchanged) == (("web",), ("other",))
    after = {i.service: i for i in lab.observe()}
    assert lab.containers() == {"other": ["1"], "web": ["2"]}
    assert after["other"] == attrs.evolve(before["other"], since=after["other"].since)
    assert (after["web"].release_id, after["other"].release_id) == (TWO, ONE)
    assert after["web"].health == "healthy" and after["web"].active


def test_a_service_that_left_the_file_leaves_the_swarm(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1"), "gone": worker("1")})
    lab.deploy(TWO, {"web": worker("1")})
    assert lab.containers() == {"web": ["1"]}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"command": ["sh", "-c", "echo no database; exit 3"]}, "exited with code 3"),
        ({"command": ["/no/such/program"]}, "is not in the image"),
        ({"healthcheck": {"test": ["CMD-SHELL", "echo sick; exit 1"], "interval": "200ms", "retries": 2}}, "unhealthy"),
        ({"deploy": {"placement": {"constraints": ["node.labels.nowhere==true"]}}}, "no suitable node"),
    ],
    ids=["exits", "no-command", "unhealthy", "no-node"],
)
def test_a_broken_release_is_told_and_undone(lab: Lab, broken: dict[str, object], said: str) -> None:
    lab.deploy(ONE, {"web": worker("1")})
    target = lab.target(TWO, {"web": worker("2", **broken)})
    lab.run(target, "prepare")
    with pytest.raises(Unhealthy) as raised:
        lab.run(target, "switch")
    told = f"{raised.value.message}\n{raised.value.hint}\n{raised.value.detail}"
    assert said in told
    assert "web" in raised.value.message
    assert raised.value.diagnosis[0]["service"] == "web"
    lab.run(target, "undo")
    assert lab.containers() == {"web": ["1"]}
    assert [(i.release_id, i.active) for i in lab.observe()] == [(ONE, True)]
    assert not Path(lab.context.home(), "releases", TWO).exists()


def test_the_diagnosis_has_the_log_and_the_probe(lab: Lab) -> None:
    check = {"test": ["CMD-SHELL", "echo very sick; exit 1"], "interval": "200ms", "retries": 2}
    target = lab.target(ONE, {"web": worker("1", healthcheck=check)})
    lab.run(target, "prepare")
    with pytest.raises(Unhealthy) as raised:
        lab.run(target, "switch")
    assert "very sick" in raised.value.detail
    assert "serving 1" in raised.value.detail


def test_services_start_after_those_they_depend_on(lab: Lab) -> None:
    """A swarm starts everything at once; a release is given to it in waves, so that nothing crashes on the way."""
    waits = {"depends_on": {"db": {"condition": "service_healthy"}}}
    slow = worker("1", command=["sh", "-c", "sleep 2; touch /ready; trap 'exit 0' TERM; while :; do sleep 0.2; done"])
    slow["healthcheck"] = {**slow["healthcheck"], "test": ["CMD", "test", "-e", "/ready"]}
    lab.deploy(ONE, {"db": slow, "app": worker("1", **waits)})
    since = {i.service: i.since for i in lab.observe()}
    assert since["db"] < since["app"]


def test_a_service_that_finishes_is_waited_for(lab: Lab) -> None:
    job = worker("1", command=["sh", "-c", "sleep 0.5; echo done"], restart="no")
    del job["healthcheck"]
    needs = {"depends_on": {"job": {"condition": "service_completed_successfully"}}}
    lab.deploy(ONE, {"job": job, "web": worker("1", **needs)})
    states = {i.service: (i.state, i.exit_code) for i in lab.observe()}
    assert states["job"] == ("exited", 0)
    assert lab.deploy(TWO, {"job": job, "web": worker("1", **needs)}).changed == ()


def test_replicas_change_without_replacing_anything(lab: Lab) -> None:
    lab.deploy(ONE, {"web": worker("1", deploy={"replicas": 2})})
    before = {i.id for i in lab.observe()}
    assert lab.deploy(TWO, {"web": worker("1", deploy={"replicas": 3})}).changed == ()
    assert before < {i.id for i in lab.observe() if i.state == "running"}
    assert lab.containers() == {"web": ["1", "1", "1"]}


def test_what_writes_to_a_volume_never_runs_twice(lab: Lab) -> None:
    shared = {"volumes": [{"type": "volume", "source": "data", "target": "/data"}]}
    alone = "mkdir /data/lock || exit 9; trap 'rmdir /data/lock; exit 0' TERM; while :; do sleep 0.1; done"
    writer = worker("1", command=["sh", "-c", alone], **shared)
    volumes = {"volumes": {"data": {"name": f"{lab.project}_data"}}}
    lab.deploy(ONE, {"db": writer, "web": worker("1")}, **volumes)
    lab.deploy(TWO, {"db": {**writer, "environment": {"V": "2"}}, "web": worker("2")}, **volumes)
    assert lab.containers() == {"db": ["2"], "web": ["2"]}


def test_secrets_and_configs_are_the_swarms_and_go_when_nobody_needs_them(lab: Lab) -> None:
    lab.secrets |= {"TOKEN": "canary-5e1f$x", "KEY": "canary-key"}
    lab.folder = MemoryFolder({"app.ini": "[one]\n"})

    def release(text: str) -> tuple[dict[str, object], dict[str, object]]:
        lab.folder = MemoryFolder({"app.ini": text})
        see = (
            "cat /run/secrets/key /etc/app.ini /cfg; echo token=$TOKEN; trap 'exit 0' TERM; while :; do sleep 0.2; done"
        )
        more = {
            "command": ["sh", "-c", see],
            "environment": {"TOKEN": "<secret:TOKEN>", "PRICE": "$5"},
            "secrets": [{"source": "key"}],
            "configs": [{"source": "cfg", "target": "/cfg", "mode": "0444"}],
            "volumes": [{"type": "bind", "source": f"{lab.root}/app.ini", "target": "/etc/app.ini", "read_only": True}],
        }
        resources = {"secrets": {"key": {"environment": "KEY"}}, "configs": {"cfg": {"content": f"inline {text}"}}}
        return {"web": worker("1", **more)}, resources

    services, resources = release("[one]\n")
    lab.deploy(ONE, services, **resources)
    (web,) = lab.observe()
    view = View(lab.project, "prod", NODE, lab.context.home(), ONE, (web,))
    said = lab.context.machine().run(Swarm.Renderer(None).logs(view, LogQuery(("web",)))).stdout
    assert said.replace("web | ", "").split() == ["canary-key[one]", "inline", "[one]", "token=canary-5e1f$x"]
    assert len(lab.objects("config")) == 2 and len(lab.objects("secret")) == 1

    services, resources = release("[two]\n")
    assert lab.deploy(TWO, services, **resources).changed == ("web",)
    assert len(lab.objects("config")) == 4, "the previous release can still be put back"
    lab.deploy(THREE, services, **resources, expired=(ONE,))
    assert len(lab.objects("config")) == 2
    words = [word for command in lab.context.machine().commands for word in command.argv]
    assert not any("canary" in word for word in words)
    for path in Path(lab.context.home(), "releases").glob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_one_off_and_exec_see_what_the_service_sees(lab: Lab) -> None:
    lab.secrets["TOKEN"] = "it's\ntwo lines"
    target = lab.target(ONE, {"web": worker("1", environment={"TOKEN": "<secret:TOKEN>", "V": "1"})})
    lab.run(target, "ship")
    renderer, machine = Swarm.Renderer(None), lab.context.machine()
    view = View(lab.project, "prod", NODE, lab.context.home(), ONE)
    words = ("sh", "-c", 'printf %s "$TOKEN"; exit 7')
    done = machine.run(renderer.execute(view, Execution("web", words, oneoff=True, timeout=60)), check=False)
    assert (done.exit_code, done.stdout) == (7, "it's\ntwo lines")
    assert lab.containers() == {}, "shipping starts nothing"
    lab.run(target, "prepare", "switch")
    inside = attrs.evolve(view, instances=lab.observe())
    assert machine.run(renderer.execute(inside, Execution("web", ("sh", "-c", "echo $V")))).stdout == "1\n"
    lab.run(target, "undo")
    assert lab.objects("network") == []


def test_somebody_elses_stack_is_refused(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(
        json.dumps({"version": "3.8", "services": {"web": {"image": "busybox:latest", "command": "sleep 99"}}})
    )
    lab.docker("stack", "deploy", "--resolve-image", "never", "-c", str(path), lab.stack)
    with pytest.raises(Refused, match="not Stagecraft's"):
        lab.run(lab.target(ONE, {"web": worker("1")}), "preflight")


def test_services_named_alone_are_the_only_ones_touched(lab: Lab) -> None:
    lab.deploy(ONE, {"db": worker("1"), "web": worker("1")})
    target = lab.target(TWO, {"db": worker("2"), "web": worker("2")}, only=("db",))
    lab.run(target, "prepare", "switch", "retire")
    assert lab.containers() == {"db": ["2"], "web": ["1"]}


def test_what_no_release_needs_is_pruned(lab: Lab) -> None:
    configs = {"configs": {"cfg": {"content": "one"}}}
    use = {"configs": [{"source": "cfg", "target": "/cfg"}]}
    lab.deploy(ONE, {"web": worker("1", **use)}, **configs)
    lab.deploy(TWO, {"web": worker("1")})
    runtime = Swarm()
    would = runtime.prune(lab.context, NODE, (TWO,), dry_run=True)
    assert [one.kind for one in would] == ["config", "release"]
    assert runtime.prune(lab.context, NODE, (TWO,)) == would
    assert runtime.prune(lab.context, NODE, (TWO,)) == ()
    assert lab.containers() == {"web": ["1"]}
