"""What a compose service becomes: command, folder, environment, ports, health; the plan's findings, byte for byte."""

from __future__ import annotations

import json
import sys

import attrs
import pytest
from stagecraft_hookspecs.runtime import Execution, Instance, LogQuery, Order, View
from stagecraft_hookspecs.values import LOCAL, Host, Phase, Severity

from stagecraft_process import runtime
from stagecraft_process.durations import seconds


def unit(project, name="api"):
    return json.loads(project.render().files["local"]["units.json"].data)[name]


def codes(project, severity=None):
    return [f.code for f in project.render().findings if severity in (None, f.severity)]


def test_command_comes_from_the_compose_file_or_the_dockerfile(project):
    project.write("api/Dockerfile", 'FROM python\nENTRYPOINT ["python"]\nCMD ["app.py", "--fast"]\n')
    cases = [
        (None, None, ["python", "app.py", "--fast"]),
        (None, ["other.py"], ["python", "other.py"]),
        (["node"], None, ["node"]),
        (["node"], ["x.js"], ["node", "x.js"]),
        (None, "run 'a b'", ["python", "run", "a b"]),
        ([], ["x"], ["x"]),
    ]
    for entrypoint, command, expected in cases:
        project.service("api", entrypoint=entrypoint, command=command)
        assert unit(project)["argv"] == expected


def test_shell_form_is_run_by_a_shell_which_gets_the_stop_signal_as_a_group(project):
    project.write("api/Dockerfile", "FROM python\nCMD python app.py\n")
    project.service("api", command=None)
    assert unit(project)["argv"] == ["/bin/sh", "-c", "python app.py"]
    assert unit(project)["shell"] is True


@pytest.mark.parametrize(
    ("dockerfile", "working", "folder"),
    [
        ("FROM a\nWORKDIR /app\nCOPY . .\n", "", ""),
        ("FROM a\nWORKDIR /app\nCOPY . .\n", "/app/sub", "sub"),
        ("FROM a\nWORKDIR /app\nCOPY . .\n", "sub", "sub"),
        ("FROM a\nWORKDIR /app\nCOPY . .\nWORKDIR sub\n", "", "sub"),
        ("FROM a\nWORKDIR /app\nCOPY sub/ .\n", "", "sub"),
        ("FROM a\nWORKDIR /app\nCOPY sub ./inner\nWORKDIR /app/inner\n", "", "sub"),
        ("FROM a\nCOPY . /srv\n", "/srv", ""),
        ("FROM a\nCOPY . /srv\n", "/elsewhere", ""),
        ("", "/anything", ""),
        ("", "sub", "sub"),
    ],
)
def test_folder_follows_workdir_and_copy(project, dockerfile, working, folder):
    project.write("api/sub/app.py", "")
    project.write("api/Dockerfile", dockerfile)
    project.service("api", working_dir=working or None)
    assert unit(project)["folder"] == folder


def test_paths_of_the_image_become_paths_of_the_snapshot(project):
    project.write("api/Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\nCOPY main.py /srv/\nENV PYTHONPATH=/app/lib\n")
    project.service("api", command=["python", "/srv/main.py", "--config=/app/x.ini", "/apple"])
    found = unit(project)
    assert found["argv"] == [
        "python",
        [{"snapshot": "main.py"}],
        ["--config=", {"snapshot": ""}, "/x.ini"],
        "/apple",
    ]
    assert found["env"]["PYTHONPATH"] == [{"snapshot": ""}, "/lib"]


def test_mounts_are_rewritten_in_values_that_name_them(project):
    data = {"type": "volume", "source": "data", "target": "/data"}
    seed = {"type": "bind", "source": f"{project.root}/seed", "target": "/seed"}
    env = {
        "URL": "sqlite:////data/guestbook.db",
        "DIR": "/data",
        "SEED": "/seed/a.json",
        "LIST": "/x:/data/y",
        "NOT": "/database http://host/data mydata/data",
    }
    project.service("api", volumes=[data, seed], environment=env)
    assert unit(project)["env"] == {
        "URL": ["sqlite:///", {"volume": "data"}, "/guestbook.db"],
        "DIR": [{"volume": "data"}],
        "SEED": [{"project": "seed"}, "/a.json"],
        "LIST": ["/x:", {"volume": "data"}, "/y"],
        "NOT": "/database http://host/data mydata/data",
    }
    assert unit(project)["volumes"] == ["data"]
    assert codes(project) == ["process-volume", "process-volume"]


def test_configs_and_secrets_from_files_are_found_at_their_place(project):
    project.service(
        "api",
        configs=[{"source": "nginx", "target": "/etc/nginx.conf"}],
        secrets=[{"source": "password"}, {"source": "remote", "target": "token"}],
        environment={"CONF": "/etc/nginx.conf", "PASSWORD_FILE": "/run/secrets/password", "T": "/run/secrets/token"},
    )
    root = str(project.root)
    files = {
        "configs": {"nginx": {"file": f"{root}/nginx.conf"}},
        "secrets": {"password": {"file": f"{root}/p.txt"}, "remote": {"external": True}},
    }
    draft = runtime.ProcessRenderer().render(attrs.evolve(project.deployment(), definition=files))
    env = json.loads(draft.files["local"]["units.json"].data)["api"]["env"]
    assert env == {
        "CONF": [{"project": "nginx.conf"}],
        "PASSWORD_FILE": [{"project": "p.txt"}],
        "T": "/run/secrets/token",
    }
    assert [(f.code, f.path[-1]) for f in draft.findings] == [("process-files", "secrets")]
    assert "/run/secrets/token is not there" in draft.findings[0].message


def test_mount_inside_the_working_directory_is_found_by_relative_paths(project, port, get, published):
    project.write("api/Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\n")
    project.write("api/data/hidden", "by the mount, as in a container")
    project.write(
        "api/app.py",
        """
        import os
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                open("data/seen", "a").write("x")
                text = open("data/seen").read() + str(sorted(os.listdir("data")))
                self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """,
    )
    mount = {"type": "volume", "source": "data", "target": "/app/data"}
    project.service("api", ports=published(port), volumes=[mount])
    project.deploy()
    assert get(port) == "x['seen']"
    project.write("api/other.py", "")
    project.deploy()
    assert get(port) == "xx['seen']"


def test_ports_in_commands_and_healthchecks_become_the_instances_own(project, published):
    test = ["CMD", "curl", "-f", "http://localhost:8000/health"]
    command = ["serve", "--bind", "0.0.0.0:8000", "--port", "8000", "--port=8000", "80001", "8000"]
    project.service("api", ports=published(80), command=command, healthcheck={"test": test})
    found = unit(project)
    own = {"port": 8000}
    assert found["argv"] == ["serve", "--bind", ["0.0.0.0:", own], "--port", [own], ["--port=", own], "80001", "8000"]
    assert found["health"]["test"] == ["curl", "-f", ["http://localhost:", own, "/health"]]


def test_other_services_are_named_by_address(project):
    project.service("api", expose=["8000"])
    project.service("web", environment={"API": "http://api:8000/v1", "NOT": "http://my-api:8000 api:80001"})
    assert unit(project, "web")["env"] == {
        "API": ["http://", {"service": "api", "port": 8000}, "/v1"],
        "NOT": "http://my-api:8000 api:80001",
    }


def test_healthcheck_defaults_and_forms(project):
    forms = [
        ({"test": "curl x"}, ["/bin/sh", "-c", "curl x"]),
        ({"test": ["CMD-SHELL", "curl x"]}, ["/bin/sh", "-c", "curl x"]),
        ({"test": ["CMD", "curl", "x"]}, ["curl", "x"]),
    ]
    for check, argv in forms:
        project.service("api", healthcheck=check)
        found = unit(project)["health"]
        assert found["test"] == argv
        assert (found["interval"], found["timeout"], found["retries"], found["start_period"]) == (30.0, 30.0, 3, 0.0)
    for off in ({"disable": True}, {"test": ["NONE"]}, {}):
        project.service("api", healthcheck=off)
        assert unit(project)["health"] is None
    project.write("api/Dockerfile", "FROM a\nHEALTHCHECK --interval=5s --retries=2 CMD curl x\n")
    project.service("api", healthcheck={"timeout": "1m30s"})
    found = unit(project)["health"]
    assert (found["interval"], found["retries"], found["timeout"]) == (5.0, 2, 90.0)


def test_restart_policy(project, published):
    cases = [
        ({}, ("on-failure", 0)),
        ({"ports": published(80)}, ("always", 0)),
        ({"restart": "no"}, ("no", 0)),
        ({"restart": "on-failure:3"}, ("on-failure", 3)),
        ({"restart": "unless-stopped"}, ("unless-stopped", 0)),
    ]
    for definition, expected in cases:
        project.services.clear()
        project.service("api", **definition)
        assert (unit(project)["restart"], unit(project)["max_restarts"]) == expected


def test_image_only_service_is_an_error(project):
    project.service("postgres", build=None, image="postgres:17")
    (finding,) = project.render().findings
    assert finding.severity is Severity.ERROR
    assert finding.message == "image-only service 'postgres' cannot run with runtime process"
    assert "runtime: compose" in finding.hint
    assert finding.path == ("services", "postgres", "image")
    assert project.render().operations == ()


def test_image_with_its_folder_mounted_at_the_working_directory_has_a_folder(project, port, get, published):
    project.app("mounted", "src")
    mount = {"type": "bind", "source": f"{project.root}/src", "target": "/app"}
    project.service("api", build=None, image="python", working_dir="/app", volumes=[mount], ports=published(port))
    project.deploy()
    assert get(port) == "mounted"


def test_findings_name_what_has_no_effect(project, published):
    project.write("api/Dockerfile", "FROM a\nRUN one\nRUN two\n")
    udp = {"target": 53, "published": "53", "protocol": "udp"}
    spread = {"target": 1, "published": "9000-9010", "protocol": "tcp"}
    project.service("api", user="app", privileged=True, ports=[udp, spread])
    assert codes(project) == ["process-port-protocol", "process-port-range", "process-run-steps", "process-keys"]


def test_missing_command_and_double_port_are_errors(project, published):
    project.service("api", command=None, ports=published(80))
    project.service("web", ports=published(80))
    assert codes(project, Severity.ERROR) == ["process-no-command", "process-port-clash"]


def test_remote_host_is_an_error_in_the_plan(project):
    project.service("api")
    deployment = attrs.evolve(project.deployment(), hosts=(Host("app-1"),))
    findings = runtime.ProcessRenderer().render(deployment).findings
    assert [f.code for f in findings] == ["process-remote-host"]


def test_rendering_twice_gives_the_same_bytes_and_keeps_references(project, published):
    project.write("api/Dockerfile", "FROM a\nWORKDIR /app\n")
    project.service("api", ports=published(80), environment={"B": "<secret:B>", "A": "1"})
    first, second = project.render(), project.render()
    assert first == second
    file = first.files["local"]["units.json"]
    assert (file.secret, file.mode) == (True, 0o600)
    assert b"<secret:B>" in file.data
    assert str(project.root).encode() not in file.data
    project.service("api")
    assert project.render().files["local"]["units.json"].secret is False


def test_policies_say_why(project, published):
    project.service("api", ports=published(80))
    project.service("db", deploy={"update_config": {"order": "stop-first"}})
    policies = project.render().policies
    assert (policies["api"].order, policies["db"].order) == (Order.START_FIRST, Order.STOP_FIRST)
    assert "owns the published ports" in policies["api"].reason


def test_operations_are_one_snapshot_per_service(project):
    project.service("api")
    project.service("web")
    operations = project.render().operations
    assert [(o.id, o.phase, o.action, o.provider) for o in operations] == [
        ("build:api", Phase.BUILD, "process.snapshot", "process"),
        ("build:web", Phase.BUILD, "process.snapshot", "process"),
    ]


def test_commands_hold_no_secret_and_need_no_shell():
    view = View("shop", "local", LOCAL, "/home/x", "rel-1", (Instance("api", "local", "12", "running"),))
    renderer = runtime.ProcessRenderer()
    head = (sys.executable, "-P", "-m")
    assert renderer.logs(view, LogQuery(("api",), True, 60.0, 5)).argv == (
        *head, "stagecraft_process.logs", "/home/x", "--tail=5", "--since=60", "--follow", "--pid=12", "--", "api",
    )  # fmt: skip
    assert renderer.execute(view, Execution("api", ("ls", "-l"), True)).argv == (
        *head, "stagecraft_process.execute", "/home/x", "api", "--release=rel-1", "--oneoff", "--", "ls", "-l",
    )  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [("1m30s", 90.0), ("500ms", 0.5), ("1h", 3600.0), (5, 5.0), (None, 7.0)])
def test_durations(text, expected):
    assert seconds(text, 7.0) == expected


@pytest.mark.parametrize("text", ["5", "1x", "s", "1 s"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text, 0.0)
