"""What users see of a rollout: the new release serves, the old one until then; what did not change is not touched."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError, Refused, Unhealthy
from stagecraft_hookspecs.runtime import Order
from stagecraft_hookspecs.values import Host

CRASH = "import sys; print('no database', file=sys.stderr); sys.exit(3)"


def gone(pid: int) -> None:
    """Wait until a killed process has ended: until then the kernel still accepts connections for it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while " Z " not in Path(f"/proc/{pid}/stat").read_text():
            time.sleep(0.005)


def test_first_deploy_serves_and_second_replaces_it(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    assert project.deploy().changed == ("api",)
    assert get(port) == "one"

    project.app("two")
    assert project.deploy().changed == ("api",)
    assert get(port) == "two"
    (instance,) = project.observe()
    assert (instance.state, instance.active, instance.release_id) == ("running", True, "rel-20260101-000000002")
    assert instance.id == get(port, "/pid")
    assert instance.ports[0].startswith(f"127.0.0.1:{port}->")


def test_unchanged_service_is_left_untouched(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    pid = get(port, "/pid")
    prepared = project.deploy()
    assert (prepared.changed, prepared.unchanged) == ((), ("api",))
    assert get(port, "/pid") == pid


@pytest.mark.parametrize("change", ["definition", "secret"])
def test_changed_environment_replaces_the_instance(project, port, get, published, change):
    project.app("one")
    project.secrets["TOKEN"] = "canary-1"
    project.service("api", ports=published(port), environment={"TOKEN": "<secret:TOKEN>", "MODE": "a"})
    project.deploy()
    if change == "secret":
        project.secrets["TOKEN"] = "canary-2"
    else:
        project.services["api"]["environment"]["MODE"] = "b"
    assert project.deploy().changed == ("api",)
    env = json.loads(get(port, "/env"))
    assert (env["TOKEN"], env["MODE"]) == (("canary-2", "a") if change == "secret" else ("canary-1", "b"))


def test_prepare_alone_changes_nothing_for_users(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    project.app("two")
    target = project.build()
    project.runtime.prepare(project.ctx, target)
    assert get(port) == "one"
    assert [i.active for i in project.observe()] == [True, False]
    project.runtime.undo(project.ctx, target)
    assert get(port) == "one"
    assert len(project.observe()) == 1


def test_nobody_answers_on_the_port_of_a_first_release_before_the_switch(project, port, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.runtime.prepare(project.ctx, project.build())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("after", ["switch", "retire"])
def test_undo_brings_the_old_release_back(project, port, get, published, after):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    project.app("two")
    target = project.build()
    for step in ("prepare", "switch", "retire")[: 3 if after == "retire" else 2]:
        getattr(project.runtime, step)(project.ctx, target)
    assert get(port) == "two"
    project.runtime.undo(project.ctx, target)
    assert get(port) == "one"
    project.runtime.undo(project.ctx, target)
    assert [(i.release_id, i.active) for i in project.observe()] == [("rel-20260101-000000001", True)]


def test_undo_of_a_first_release_leaves_nothing(project, port, published):
    project.app("one")
    project.service("api", ports=published(port))
    target = project.build()
    project.runtime.prepare(project.ctx, target)
    project.runtime.switch(project.ctx, target)
    project.runtime.undo(project.ctx, target)
    assert project.observe() == ()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_undo_before_anything_was_done_does_nothing(project):
    project.app("one")
    project.service("api")
    project.runtime.undo(project.ctx, project.build())
    assert not (project.home / "supervisor.log").exists()


def test_every_step_can_be_repeated(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    project.app("two")
    target = project.build()
    for step in (project.runtime.prepare, project.runtime.switch, project.runtime.retire):
        assert step(project.ctx, target) == step(project.ctx, target)
    assert get(port) == "two"
    assert project.runtime.prepare(project.ctx, target).changed == ("api",)
    assert len(project.observe()) == 1


def test_service_that_left_the_compose_file_is_ended(project, port, get, published):
    project.app("one")
    project.app("worker", "worker")
    project.service("api", ports=published(port))
    project.service("worker")
    project.deploy()
    assert [i.service for i in project.observe()] == ["api", "worker"]
    del project.services["worker"]
    project.deploy()
    assert [i.service for i in project.observe()] == ["api"]


def test_only_the_selected_services_are_touched(project, port, get, published):
    project.app("one")
    project.app("one", "worker")
    project.service("api", ports=published(port))
    project.service("worker")
    project.deploy()
    before = {i.service: i.id for i in project.observe()}
    project.app("two")
    project.app("two", "worker")
    target = attrs.evolve(project.build(), only=("api",))
    for step in (project.runtime.prepare, project.runtime.switch, project.runtime.retire):
        step(project.ctx, target)
    after = {i.service: i.id for i in project.observe()}
    assert get(port) == "two"
    assert after["worker"] == before["worker"]
    assert after["api"] != before["api"]


def test_replicas_share_the_load_and_one_that_died_is_passed_over(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port), deploy={"replicas": 3})
    project.deploy()
    pids = {get(port, "/pid") for _ in range(9)}
    assert pids == {i.id for i in project.observe()}
    assert len(pids) == 3
    os.kill(int(sorted(pids)[0]), 9)
    gone(int(sorted(pids)[0]))
    assert all(get(port) == "one" for _ in range(12))


def test_crashed_instance_is_restarted_and_its_port_never_refuses(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    (before,) = project.observe()
    os.kill(int(before.id), 9)
    gone(int(before.id))
    assert get(port) == "one"
    (after,) = project.observe()
    assert after.restarts == 1
    assert after.id != before.id


def test_stop_first_ends_the_old_before_the_new_starts(project, port, get, published, tmp_path):
    project.write(
        "api/app.py",
        """
        import os, signal, sys
        def note(text):
            with open(sys.argv[1], "a") as stream:
                stream.write(text + "\\n")
        def stop(*args):
            note("stop " + sys.argv[2])
            os._exit(0)
        signal.signal(signal.SIGTERM, stop)
        note("start " + sys.argv[2])
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[2].encode())
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """,
    )
    notes = tmp_path / "notes"
    for version in ("one", "two"):
        project.service(
            "api",
            command=[sys.executable, "app.py", str(notes), version],
            ports=published(port),
            deploy={"update_config": {"order": "stop-first"}},
        )
        target = project.build()
        assert target.policies["api"].order is Order.STOP_FIRST
        project.runtime.prepare(project.ctx, target)
        if version == "two":
            assert get(port) == "one"
        answers: list[str] = []
        client = threading.Thread(target=lambda answers=answers: time.sleep(0.1) or answers.append(get(port)))
        if version == "two":
            client.start()
        project.runtime.switch(project.ctx, target)
        if version == "two":
            client.join()
            assert answers == ["two"] or answers == ["one"]
    assert get(port) == "two"
    assert notes.read_text().split("\n")[:4] == ["start one", "stop one", "start two", ""]
    project.runtime.undo(project.ctx, target)
    assert get(port) == "one"
    assert notes.read_text().split("\n")[3:6] == ["stop two", "start one", ""]


def test_failing_stop_first_release_is_undone(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port), deploy={"update_config": {"order": "stop-first"}})
    project.deploy()
    project.write("api/app.py", CRASH)
    with pytest.raises(Unhealthy):
        project.deploy()
    assert get(port) == "one"


def test_dependencies_are_started_first_and_waited_for(project, port, published, tmp_path):
    order = tmp_path / "order"
    for name in ("api", "db", "init"):
        project.write(
            f"{name}/app.py",
            f"""
            import sys, time
            time.sleep(0.2)
            open({str(order)!r}, "a").write({name + " "!r})
            {"sys.exit(0)" if name == "init" else "time.sleep(600)"}
            """,
        )
        project.service(name)
    well = {"test": ["CMD", "grep", "db", str(order)], "interval": "1s"}
    project.services["db"]["healthcheck"] = well
    project.services["api"]["depends_on"] = {
        "db": {"condition": "service_healthy", "required": True},
        "init": {"condition": "service_completed_successfully", "required": True},
    }
    project.services["init"]["depends_on"] = {"db": {"condition": "service_healthy", "required": True}}
    project.deploy()
    deadline = time.monotonic() + 5
    while "api" not in order.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert order.read_text().split() == ["db", "init", "api"]
    states = {i.service: (i.state, i.exit_code) for i in project.observe()}
    assert states["init"] == ("exited", 0)


def test_port_of_a_stranger_is_named_with_its_owner(project, published):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        project.app("one")
        project.service("api", ports=published(taken))
        with pytest.raises(ProviderError, match=rf"port {taken} on 127.0.0.1 is taken by process {os.getpid()} \("):
            project.deploy()
    assert project.observe() == ()


def test_several_ports_and_one_without_a_host_port(project, port, get, published):
    project.write(
        "api/app.py",
        """
        import os, threading
        from http.server import BaseHTTPRequestHandler, HTTPServer
        def serve(name):
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self):
                    self.send_response(200); self.end_headers(); self.wfile.write(name.encode())
            HTTPServer(("127.0.0.1", int(os.environ[name])), Handler).serve_forever()
        threading.Thread(target=serve, args=["ADMIN_PORT"], daemon=True).start()
        serve("PORT")
        """,
    )
    project.service(
        "api",
        ports=[*published(port), {"target": 9000, "protocol": "tcp", "mode": "ingress"}],
        environment={"ADMIN_PORT": "9000", "PORT": "8000"},
    )
    project.deploy()
    assert get(port) == "PORT"
    found = [int(p.partition("->")[0].rpartition(":")[2]) for p in project.observe()[0].ports]
    assert found[0] == port
    assert get(found[1]) == "ADMIN_PORT"
    project.services["api"]["environment"]["X"] = "1"
    project.deploy()
    assert get(found[1]) == "ADMIN_PORT", "the port that was found once is kept"


def test_services_find_each_other_by_name(project, port, get, published):
    project.app("from-api")
    project.write(
        "web/app.py",
        """
        import os, urllib.request
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with urllib.request.urlopen(os.environ["API_URL"]) as answer:
                    body = answer.read()
                self.send_response(200); self.end_headers(); self.wfile.write(body)
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """,
    )
    project.service("api", expose=["8000"])
    project.service("web", ports=published(port), environment={"API_URL": "http://api:8000/"}, depends_on={"api": {}})
    project.deploy()
    assert get(port) == "from-api"
    project.app("from-api-2")
    assert project.deploy().changed == ("api",)
    assert get(port) == "from-api-2", "the address stays when the other service is replaced"


def test_volume_is_kept_over_releases(project, port, get, published):
    project.write(
        "api/app.py",
        """
        import os
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with open(os.environ["DATA"] + "/seen", "a+") as stream:
                    stream.write("x"); stream.seek(0); text = stream.read()
                self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """,
    )
    mount = {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    project.service("api", ports=published(port), environment={"DATA": "/data"}, volumes=[mount])
    project.deploy()
    assert get(port) == "x"
    project.services["api"]["environment"]["X"] = "1"
    project.deploy()
    assert get(port) == "xx"
    assert (project.home / "volumes/data/seen").read_text() == "xx"
    assert project.render().volumes == {"data": "volumes/data"}


def test_retire_keeps_the_snapshots_of_retained_releases_only(project, port, get, published):
    project.service("api", ports=published(port))
    for version in ("one", "two", "three"):
        project.app(version)
        project.deploy()
    assert len([p for p in (project.home / "snapshots").iterdir() if p.is_dir()]) == 3
    old, kept, last = (f"rel-20260101-00000000{n}" for n in (1, 2, 3))
    target = attrs.evolve(project.last, retained=(kept,), expired=(old,))
    project.runtime.retire(project.ctx, target)
    assert len([p for p in (project.home / "snapshots").iterdir() if p.is_dir()]) == 2
    assert sorted(p.name for p in (project.home / "releases").iterdir()) == [kept, last]
    assert get(port) == "three"


def test_rollback_to_a_kept_release_needs_no_build(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    first = project.last
    project.app("two")
    project.deploy()
    again = attrs.evolve(first, deployment=attrs.evolve(first.deployment, release_id="rel-20260101-000000009"))
    for step in (project.runtime.prepare, project.runtime.switch, project.runtime.retire):
        step(project.ctx, again)
    assert get(port) == "one"


def test_missing_snapshot_is_an_error_before_anything_changes(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    project.app("two")
    target = project.build()
    digest = target.deployment.services[0].image.digest.replace(":", "-")
    (project.home / "snapshots" / digest / "app.py").unlink()
    with pytest.raises(ProviderError, match="snapshot of service 'api'"):
        project.runtime.prepare(project.ctx, target)
    assert get(port) == "one"


def test_releases_leave_no_descriptor_open_in_the_supervisor(project, port, get, published):
    def opened() -> int:
        return len(os.listdir(f"/proc/{project.supervisor()}/fd"))

    project.service("api", ports=published(port))
    counts = []
    for version in ("one", "two", "three"):
        project.app(version)
        project.deploy()
        assert get(port) == version
        time.sleep(0.2)
        counts.append(opened())
    assert counts[2] <= counts[0] + 1, "a connection may still be closing"


def test_remote_host_is_refused(project):
    project.app("one")
    project.service("api")
    target = attrs.evolve(project.build(), host=Host("app-1", "10.0.0.1"))
    with pytest.raises(Refused, match="this machine only, not on host 'app-1'"):
        project.runtime.prepare(project.ctx, target)


def test_secrets_stand_in_0600_files_only(project, port, get, published):
    project.app("one")
    project.secrets["TOKEN"] = 'canary "quoted"\nline'
    project.service("api", ports=published(port), environment={"TOKEN": "<secret:TOKEN>"})
    project.deploy()
    assert json.loads(get(port, "/env"))["TOKEN"] == project.secrets["TOKEN"]
    assert project.home.stat().st_mode & 0o777 == 0o700
    for path in project.home.rglob("*"):
        if path.is_file() and b"canary" in path.read_bytes():
            assert path.stat().st_mode & 0o777 == 0o600, path
    for pid in project.mine():
        assert b"canary" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"canary" not in (project.home / "supervisor.log").read_bytes()
    assert "canary" not in repr(project.observe())


def test_environment_of_the_deployer_does_not_leak(project, port, get, published, monkeypatch):
    monkeypatch.setenv("DEPLOYER_TOKEN", "leak")
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    env = json.loads(get(port, "/env"))
    assert "DEPLOYER_TOKEN" not in env
    assert env["PATH"] == os.environ["PATH"]
    assert b"DEPLOYER_TOKEN" not in Path(f"/proc/{project.supervisor()}/environ").read_bytes()
