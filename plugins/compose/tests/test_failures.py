"""What goes wrong is said at once, in one sentence with a next step, and the old release still serves."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ProviderError, Refused, StagecraftError, ToolMissing, Unhealthy, UserError

from .conftest import Lab, driver, page

pytestmark = pytest.mark.needs("docker")


def fail(lab: Lab, spec: dict[str, Any], *steps: str) -> StagecraftError:
    with pytest.raises(StagecraftError) as caught:
        lab.run(spec, *steps)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_a_container_that_exits_fails_at_once_with_its_log(lab: Lab) -> None:
    lab.deploy("r1", {"api": page("v1")})
    before = lab.ids()
    bad = lab.spec("r2", {"api": page("v2", command=["sh", "-c", "echo no config; exit 3"])})
    begun = time.monotonic()
    error = fail(lab, bad, "prepare")

    assert time.monotonic() - begun < 5
    assert isinstance(error, Unhealthy)
    assert error.message == "api on local exited with code 3"
    assert "  no config" in error.detail
    assert error.diagnosis[0]["exit_code"] == 3
    assert error.diagnosis[0]["log"] == ["no config"]
    lab.run(bad, "undo")
    assert lab.ids(all=True) == before
    assert lab.states() == {"api": ["running"]}


def test_an_unhealthy_container_shows_its_probe(lab: Lab) -> None:
    check = {"test": ["CMD-SHELL", "echo cannot reach db; exit 4"], "interval": "200ms", "retries": 2}
    error = fail(lab, lab.spec("r1", {"api": page("v1", healthcheck=check)}), "prepare")

    assert error.message == "api on local is unhealthy"
    assert "last probe: exit code 4: cannot reach db" in error.detail
    assert error.hint.startswith(
        "it runs, but its healthcheck fails: sh -c 'echo cannot reach db; exit 4'; try that in "
    )


def test_a_port_that_nothing_listens_on_is_pointed_out(lab: Lab) -> None:
    check = {"test": ["CMD", "wget", "-qO-", "http://127.0.0.1:9000/"], "interval": "300ms", "retries": 2}
    wrong = page("v1", healthcheck=check)
    wrong["ports"] = [{"target": 9000, "published": str(lab.port), "protocol": "tcp", "mode": "ingress"}]
    error = fail(lab, lab.spec("r1", {"web": wrong}), "prepare", "switch")

    assert error.hint == "the compose file publishes container port 9000, but web listens on 8000"
    assert "ports: published 9000;" in error.detail
    assert "listening: 8000" in error.detail


def test_a_command_that_is_not_in_the_image(lab: Lab) -> None:
    error = fail(lab, lab.spec("r1", {"api": page("v1", command=["/nope"])}), "prepare")

    assert "/nope" in error.message
    assert error.exit_code == 2


def test_a_service_that_keeps_restarting(lab: Lab) -> None:
    restless = page("v1", command=["sh", "-c", "sleep 0.3; exit 1"], restart="always")
    error = fail(lab, lab.spec("r1", {"api": restless}), "prepare")

    assert error.message == "api on local keeps exiting and being restarted" or "exited" in error.message


def test_a_service_without_healthcheck_must_stay_up(lab: Lab) -> None:
    dies = page("v1", command=["sh", "-c", "sleep 0.5; exit 1"], healthcheck={"disable": True})
    assert "exited with code 1" in fail(lab, lab.spec("r1", {"api": dies}), "prepare").message
    lab.run(lab.spec("r1", {}), "undo")
    stays = page("v1", healthcheck={"disable": True}, deploy={"update_config": {"monitor": "1s"}})
    lab.deploy("r2", {"api": stays}, previous="")
    assert lab.states() == {"api": ["running"]}


def test_a_stop_first_service_that_fails_is_put_back(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    old = lab.ids()
    bad = lab.spec("r2", {"web": page("v2", lab.port, command=["sh", "-c", "exit 1"])})
    lab.run(bad, "prepare")
    fail(lab, bad, "switch")
    lab.run(bad, "undo")

    assert lab.get() == "v1"
    assert lab.ids(all=True) == old


def test_undo_of_a_first_deploy_leaves_nothing(lab: Lab) -> None:
    spec = lab.spec("r1", {"web": page("v1", lab.port, command=["false"])})
    lab.run(spec, "prepare")
    fail(lab, spec, "switch")
    lab.run(spec, "undo")
    lab.run(spec, "undo")

    assert lab.ps() == []
    assert lab.name not in lab.docker("network", "ls")
    assert not (lab.root / ".stagecraft" / "home" / "prod" / "releases" / "r1").exists()


def test_undo_where_nothing_was_begun_does_nothing(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    before = {i.id: i.since for i in lab.observe()}
    lab.run(lab.spec("r2", {"web": page("v2", lab.port)}), "undo")

    assert {i.id: i.since for i in lab.observe()} == before
    assert lab.get() == "v1"


def test_undo_of_a_rollback_keeps_what_it_had_taken_from_the_past(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    lab.deploy("r2", {"web": page("v2", lab.port)})
    back = lab.spec("r3", {"web": page("v1", lab.port)})
    lab.run(back, "prepare", "switch")
    assert lab.get() == "v1"
    lab.run(back, "undo")

    assert lab.get() == "v2"
    assert lab.states() == {"web": ["exited", "running"]}


def test_a_port_taken_by_a_process_names_it(lab: Lab) -> None:
    server = http.server.HTTPServer(("127.0.0.1", lab.port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        error = fail(lab, lab.spec("r1", {"web": page("v1", lab.port)}), "prepare")
    finally:
        server.shutdown()
        server.server_close()

    assert error.message.startswith(f"port {lab.port} of web is taken on local by process ")
    assert lab.ps() == []


def test_a_port_taken_by_a_container_names_it(lab: Lab) -> None:
    name = f"{lab.project}-stranger"
    lab.docker("run", "-d", "--name", name, "-p", f"{lab.port}:1", "busybox", "sleep", "100")
    try:
        error = fail(lab, lab.spec("r1", {"web": page("v1", lab.port)}), "prepare")
    finally:
        lab.docker("rm", "-f", name)

    assert error.message == f"port {lab.port} of web is taken on local by container {name}"


def test_a_network_that_is_defined_differently_is_refused_and_nothing_stops(lab: Lab) -> None:
    lab.deploy("r1", {"web": page("v1", lab.port)})
    changed = {"networks": {"default": {"name": f"{lab.project}_default", "internal": True}}}
    error = fail(lab, lab.spec("r2", {"web": page("v2", lab.port)}, **changed), "prepare")

    assert isinstance(error, Refused)
    assert "is defined differently now" in error.message
    assert lab.get() == "v1"


def test_an_image_that_is_gone_is_named(lab: Lab) -> None:
    spec = lab.spec("r1", {"web": page("v1", image="127.0.0.1:1/x/y")}, digests={"web": "sha256:" + "ab" * 32})
    error = fail(lab, spec, "prepare")

    assert "127.0.0.1:1/x/y@sha256:abab" in error.message
    assert "docker login" in error.hint or "refused" in error.message


def test_a_secret_file_that_is_missing_is_named(lab: Lab) -> None:
    spec = lab.spec("r1", {"web": page("v1", secrets=[{"source": "t"}])}, secrets={"t": {"file": "./nope"}})
    error = fail(lab, spec, "prepare")

    assert isinstance(error, UserError)
    assert error.message.startswith("secret 't': cannot read ")


def test_no_engine_is_said_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{lab.root}/no.sock")
    with pytest.raises(ToolMissing, match="cannot reach the Docker engine") as caught:
        driver.Compose().observe(driver.LocalContext(lab.root, lab.project, "prod"), driver.LOCAL)
    assert caught.value.hint
    monkeypatch.undo()


def test_an_engine_that_hangs_is_given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    path = lab.root / "hung.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        ctx = driver.LocalContext(lab.root, lab.project, "prod")
        ctx.here._client = docker.DockerClient(base_url=f"unix://{path}", timeout=1, version="1.43")
        with pytest.raises(ProviderError, match="did not answer in time") as caught:
            driver.Compose().observe(ctx, driver.LOCAL)
    assert caught.value.code == "timeout"
