"""Releases come and go on a real engine; what users see is read from Docker and HTTP."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .conftest import Lab, page

pytestmark = pytest.mark.needs("docker")


def test_a_first_deploy_serves(lab: Lab) -> None:
    prepared = lab.deploy("r1", {"web": page("v1", lab.port)})

    assert lab.get() == "v1"
    assert prepared.changed == ("web",)
    assert [r["Names"] for r in lab.ps()] == [f"{lab.name}-web-1"]
    assert lab.docker("compose", "-p", lab.name, "ps", "-q") in lab.ids()


def test_a_deploy_with_nothing_changed_touches_nothing_and_runs_four_small_commands(lab: Lab) -> None:
    services = {"web": page("v1", lab.port), "worker": page("v1", deploy={"replicas": 2})}
    lab.deploy("r1", services)
    before = {r["ID"]: r["CreatedAt"] for r in lab.ps()}
    started = {i.id: i.since for i in lab.observe()}
    prepared = lab.deploy("r2", services)

    assert prepared.changed == ()
    assert prepared.unchanged == ("web", "worker")
    assert {r["ID"]: r["CreatedAt"] for r in lab.ps()} == before
    assert {i.id: i.since for i in lab.observe()} == started
    assert [argv[3] for argv in lab.context.here.commands] == ["recall", "folder", "recall", "recall"]
    assert not any("docker" in word for argv in lab.context.here.commands for word in argv)


def test_only_what_changed_is_replaced(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port), "worker": page("v1")})
    kept = [i.id for i in lab.observe() if i.service == "worker"]
    prepared = lab.deploy("r2", {"web": page("v2", lab.port), "worker": page("v1")})

    assert prepared.changed == ("web",)
    assert lab.get() == "v2"
    assert [i.id for i in lab.observe() if i.service == "worker"] == kept
    assert lab.states() == {"web": ["exited", "running"], "worker": ["running"]}


def test_order_dependencies_and_replicas_restart_nothing(lab: Lab) -> None:
    lab.deploy("r1", {"a": page("v1"), "b": page("v1")})
    before = lab.ids()
    scaled = {"depends_on": {"a": {"condition": "service_started"}}, "deploy": {"replicas": 2}}
    lab.deploy("r2", {"a": page("v1"), "b": page("v1", **scaled)})

    assert before < lab.ids()
    assert len(lab.ids()) == 3
    lab.deploy("r3", {"a": page("v1"), "b": page("v1")})
    assert len(lab.ids()) == 2


def test_start_first_runs_both_until_the_old_is_retired(lab: Lab) -> None:
    lab.deploy("r1", {"api": page("v1")})
    old = lab.ids()
    lab.run(lab.spec("r2", {"api": page("v2")}), "prepare")
    assert len(lab.ids()) == 2
    assert old < lab.ids()
    lab.run(lab.spec("r2", {"api": page("v2")}), "switch")
    assert len(lab.ids()) == 2
    lab.run(lab.spec("r2", {"api": page("v2")}), "retire")
    assert len(lab.ids()) == 1
    assert not old & lab.ids()


def test_stop_first_leaves_the_old_serving_while_it_prepares(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    lab.run(lab.spec("r2", {"web": page("v2", lab.port)}), "prepare")

    assert lab.get() == "v1"
    assert lab.states() == {"web": ["created", "running"]}


def test_a_rollback_starts_the_kept_container_again(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    old = lab.ids()
    lab.deploy("r2", {"web": page("v2", lab.port)})
    lab.deploy("r3", {"web": page("v1", lab.port)})

    assert lab.get() == "v1"
    assert lab.ids() == old
    assert not any("create" in argv for argv in lab.context.here.commands)


def test_a_kept_container_does_not_come_back_with_the_engine_and_a_rollback_restores_its_policy(lab: Lab) -> None:
    def policies() -> dict[str, str]:
        rows = lab.ps()
        return {r["State"]: lab.docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", r["ID"]) for r in rows}

    lab.deploy("r1", {"web": page("v1", lab.port, restart="always")})
    lab.deploy("r2", {"web": page("v2", lab.port, restart="always")})
    assert policies() == {"running": "always", "exited": "no"}
    lab.deploy("r3", {"web": page("v1", lab.port, restart="always")})
    assert policies() == {"running": "always", "exited": "no"}
    assert lab.get() == "v1"


def test_containers_are_kept_for_the_previous_release_only_and_images_for_the_retained(lab: Lab) -> None:
    digest = lab.docker("image", "inspect", "-f", "{{.Id}}", "busybox")
    for n in (1, 2, 3):
        expired = [f"r{k}" for k in range(1, n - 1)]
        retained = [f"r{k}" for k in range(max(1, n - 1), n)]
        more = {"digests": {"web": digest}, "expired": expired, "retained": retained}
        lab.deploy(f"r{n}", {"web": page(f"v{n}", lab.port)}, **more)

    assert lab.states() == {"web": ["exited", "running"]}
    home = lab.root / ".stagecraft" / "home" / "prod"
    assert sorted(p.name for p in (home / "releases").iterdir()) == ["r2", "r3"]
    assert f"{lab.name}/web:{digest[7:19]}" in lab.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")


def test_images_of_expired_releases_are_untagged_and_nobody_elses_are(lab: Lab) -> None:
    client = lab.docker("image", "ls", "-q", "busybox")
    digest = {}
    for n in (1, 2, 3):
        lab.docker(
            "build",
            "-q",
            "-t",
            f"{lab.project}-app/web:v{n}",
            "--label",
            f"n={n}",
            "-f",
            str(_dockerfile(lab)),
            str(lab.root),
        )
        digest[n] = lab.docker("image", "inspect", "-f", "{{.Id}}", f"{lab.project}-app/web:v{n}")
    for n in (1, 2, 3):
        expired = ["r1"] if n == 3 else []
        services = {"web": page(f"v{n}", lab.port, image=f"{lab.project}-app/web")}
        lab.deploy(f"r{n}", services, digests={"web": digest[n]}, expired=expired)
    tags = lab.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()

    assert [t for t in tags if t.startswith(f"{lab.name}/")] == [
        f"{lab.name}/web:{digest[n][7:19]}" for n in (3, 2)
    ] or {t for t in tags if t.startswith(f"{lab.name}/")} == {f"{lab.name}/web:{digest[n][7:19]}" for n in (2, 3)}
    assert f"{lab.project}-app/web:v1" in tags
    assert lab.docker("image", "ls", "-q", "busybox") == client


def _dockerfile(lab: Lab) -> Any:
    path = lab.root / "Dockerfile"
    path.write_text("FROM busybox\n")
    return path


def test_a_removed_service_is_stopped_and_kept_then_removed(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port), "old": page("v1")})
    lab.deploy("r2", {"web": page("v1", lab.port)})
    assert lab.states() == {"old": ["exited"], "web": ["running"]}
    assert ("info", "old is no longer in the compose file: stopped") in lab.context.logged
    lab.deploy("r3", {"web": page("v1", lab.port)})
    assert lab.states() == {"web": ["running"]}


def test_a_port_moves_from_one_service_to_another(lab: Lab) -> None:
    lab.deploy("r1", {"front": page("v1", lab.port), "other": page("v1")})
    lab.deploy("r2", {"web": page("v2", lab.port), "other": page("v1")})

    assert lab.get() == "v2"


def test_a_container_name_moves_to_the_new_container_and_back(lab: Lab) -> None:
    name = f"{lab.project}-fixed"
    lab.deploy("r1", {"web": page("v1", lab.port, container_name=name)})
    assert lab.docker("inspect", "-f", "{{.Config.Env}}", name).startswith("[V=v1")
    lab.deploy("r2", {"web": page("v2", lab.port, container_name=name)})
    assert lab.docker("inspect", "-f", "{{.Config.Env}}", name).startswith("[V=v2")
    lab.run(lab.spec("r2", {"web": page("v2", lab.port, container_name=name)}, previous="r1"), "undo")
    assert lab.docker("inspect", "-f", "{{.Config.Env}}", name).startswith("[V=v1")
    assert lab.get() == "v1"


def test_data_in_a_named_volume_and_in_an_anonymous_one_outlives_a_deploy(lab: Lab) -> None:
    path = lab.root / "Dockerfile"
    path.write_text("FROM busybox\nVOLUME /anon\n")
    lab.docker("build", "-q", "-t", f"{lab.project}-db/db", str(lab.root))

    def db(version: str) -> dict[str, Any]:
        mounts = [{"type": "volume", "source": "data", "target": "/data"}]
        return {"db": page(version, lab.port, image=f"{lab.project}-db/db", volumes=mounts)}

    volumes = {"volumes": {"data": {"name": f"{lab.project}_data"}}}
    lab.deploy("r1", db("v1"), **volumes)
    (running,) = lab.ids()
    lab.docker("exec", running, "sh", "-c", "echo kept > /data/f; echo kept > /anon/f")
    for n in (2, 3):
        lab.deploy(f"r{n}", db(f"v{n}"), **volumes)
        (running,) = lab.ids()
        assert lab.docker("exec", running, "cat", "/data/f", "/anon/f") == "kept\nkept"
    assert f"{lab.name}_data" in lab.docker("volume", "ls", "-q")


def test_a_one_shot_service_runs_before_those_that_wait_for_it_and_once_per_change(lab: Lab) -> None:
    data = [{"type": "volume", "source": "d", "target": "/d"}]
    volumes = {"volumes": {"d": {}}}

    def services(word: str) -> dict[str, Any]:
        init = {"image": "busybox", "command": ["sh", "-c", f"sleep 0.5; echo {word} >> /d/log"], "volumes": data}
        command = [
            "sh",
            "-c",
            "mkdir -p /w; cp /d/log /w/index.html; " + "trap 'exit 0' TERM; httpd -f -p 8000 -h /w & wait",
        ]
        waits = {"init": {"condition": "service_completed_successfully"}}
        return {"init": init, "web": page("v", lab.port, command=command, volumes=data, depends_on=waits)}

    lab.deploy("r1", services("one"), **volumes)
    assert lab.get() == "one"
    prepared = lab.deploy("r2", services("one"), **volumes)
    assert prepared.changed == ()
    lab.deploy("r3", {**services("two"), "web": {**services("two")["web"], "environment": {"V": "3"}}}, **volumes)
    assert lab.get().split() == ["one", "two"]


def test_what_somebody_stopped_or_paused_is_not_well(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1"), "worker": page("v1"), "job": page("v1", command=["true"], restart="no")})
    by_service = {i.service: i for i in lab.observe()}
    lab.docker("stop", "-t", "0", by_service["web"].id)
    lab.docker("pause", by_service["worker"].id)
    try:
        health = {i.service: i.health for i in lab.observe()}
    finally:
        lab.docker("unpause", by_service["worker"].id)
    assert (health["web"], health["worker"]) == ("unhealthy", "unhealthy")
    assert health["job"] != "unhealthy", "it was meant to end"


def test_services_start_in_dependency_order(lab: Lab) -> None:
    slow = page("v1")
    slow["command"] = ["sh", "-c", "sleep 1; " + slow["command"][2]]
    waits = {"db": {"condition": "service_healthy"}}
    lab.deploy("r1", {"api": page("v1", depends_on=waits), "db": slow})
    since = {i.service: i.since for i in lab.observe()}

    assert since["api"] > since["db"]
    healthy = json.loads(
        lab.docker("inspect", "-f", "{{json .State.Health.Log}}", *[i.id for i in lab.observe() if i.service == "db"])
    )
    assert since["api"] > healthy[0]["End"][:19]


def test_secrets_reach_the_container_and_are_private_on_disk(lab: Lab) -> None:
    nasty = "p$s'w\"o\\rd\n${HOME} #x"
    lab.secrets["PASSWORD"] = nasty
    (lab.root / "token").write_text("t0ken")
    environment = {"V": "v1", "PASSWORD": "<secret:PASSWORD>", "URL": "db://u:<secret:PASSWORD>@h", "PLAIN": "a$b"}
    web = page(
        "v1",
        lab.port,
        environment=environment,
        secrets=[{"source": "token"}],
        configs=[{"source": "c", "target": "/c"}],
    )
    more = {"secrets": {"token": {"file": "./token"}}, "configs": {"c": {"content": "hello $X"}}}
    lab.deploy("r1", {"web": web}, **more)
    (running,) = lab.ids()
    env = json.loads(lab.docker("inspect", "-f", "{{json .Config.Env}}", running))

    assert f"PASSWORD={nasty}" in env
    assert f"URL=db://u:{nasty}@h" in env
    assert "PLAIN=a$b" in env
    assert lab.docker("exec", running, "cat", "/run/secrets/token", "/c") == "t0kenhello $X"
    folder = lab.root / ".stagecraft" / "home" / "prod" / "releases" / "r1"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "env" / "web.env").stat().st_mode & 0o777 == 0o600
    assert "rd" not in (folder / "compose.json").read_text().replace("WORD", "")[:0]
    holding = [p.name for p in folder.rglob("*") if p.is_file() and "p$s" in p.read_text().replace("\\$", "$")]
    assert holding == ["web.env"]
    lab.secrets["PASSWORD"] = "other"
    assert lab.deploy("r2", {"web": web}, **more).changed == ("web",)
    (lab.root / "token").write_text("new")
    assert lab.deploy("r3", {"web": web}, **more).changed == ("web",)


def test_a_service_in_anothers_network_follows_it(lab: Lab) -> None:
    side = {
        "image": "busybox",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"],
        "network_mode": "service:web",
        "deploy": {"update_config": {"monitor": "0s"}},
        "stop_grace_period": "2s",
    }
    lab.deploy("r1", {"web": page("v1", lab.port), "side": side})
    prepared = lab.deploy("r2", {"web": page("v2", lab.port), "side": side})
    (sidecar,) = [i.id for i in lab.observe() if i.service == "side" and i.active]

    assert prepared.changed == ("side", "web")
    assert lab.docker("exec", sidecar, "wget", "-qO-", "http://127.0.0.1:8000/") == "v2"


def test_replicas_are_replaced_in_batches(lab: Lab) -> None:
    def api(version: str) -> dict[str, Any]:
        deploy = {"replicas": 3, "update_config": {"order": "stop-first", "parallelism": 1}}
        return {"api": page(version, deploy=deploy)}

    lab.deploy("r1", api("v1"))
    process = lab.start(lab.spec("r2", api("v2")), "prepare", "switch", "retire")
    least = 3
    while process.poll() is None:
        least = min(least, len(lab.ps(all=False)))
        time.sleep(0.02)
    assert process.returncode == 0, process.stdout and process.stdout.read()
    if process.stdout:
        process.stdout.close()
    assert least == 2
    assert lab.states() == {"api": ["exited"] * 3 + ["running"] * 3}


def test_only_the_named_service_is_touched(lab: Lab) -> None:
    lab.deploy("r1", {"db": page("v1"), "web": page("v1", lab.port)})
    web = [i.id for i in lab.observe() if i.service == "web"]
    changed = {"db": page("v2"), "web": page("v2", lab.port)}
    prepared, _ = lab.run(lab.spec("r2", changed, only=["db"]), "prepare", "switch")

    assert prepared.changed == ("db",)
    assert [i.id for i in lab.observe() if i.service == "web"] == web
    assert lab.get() == "v1"
    lab.run(lab.spec("r2", changed), "undo")
    assert lab.states() == {"db": ["running"], "web": ["running"]}
