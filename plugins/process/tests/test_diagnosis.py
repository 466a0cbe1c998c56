"""What a failed start says: the end, the probe, the port it listens on instead, the last lines, and the next step."""

from __future__ import annotations

import sys
import time

import attrs
import pytest
from stagecraft_hookspecs.errors import Unhealthy


def fail(project) -> Unhealthy:
    with pytest.raises(Unhealthy) as caught:
        project.deploy()
    return caught.value


def test_exit_code_and_last_lines(project):
    project.write("api/app.py", "for n in range(30): print('line', n)\nraise SystemExit(3)")
    project.service("api")
    error = fail(project)
    assert error.message == "service 'api' did not become healthy: it exited with code 3"
    assert "line 29" in error.detail
    assert "line 5\n" not in error.detail
    (data,) = error.diagnosis
    assert (data["service"], data["exit_code"], data["restarts"], len(data["log"])) == ("api", 3, 0, 20)


def test_signal(project):
    project.write("api/app.py", "import os; os.kill(os.getpid(), 11)")
    project.service("api")
    assert "it was ended by SIGSEGV" in fail(project).message


@pytest.mark.parametrize("command", [["no-such-tool", "x"], ["./missing.sh"], ["/no/such/python3", "app.py"]])
def test_command_that_is_not_there(project, command):
    project.app("one")
    project.service("api", command=command)
    error = fail(project)
    assert command[0] in error.message
    assert error.hint


def test_tool_that_is_not_installed_is_named_with_the_path_that_was_searched(project):
    project.app("one")
    project.service("api", command=["python9", "app.py"])
    error = fail(project)
    assert "'python9' is not installed on this machine (looked along PATH=" in error.message
    assert "RUN steps are not executed" in error.hint


def test_file_that_may_not_be_executed(project):
    project.write("api/run.sh", "#!/bin/sh\n")
    project.service("api", command=["./run.sh"])
    assert "Permission denied" in fail(project).message


def test_service_that_listens_on_another_port_than_it_was_told(project, port, published):
    project.start_timeout = 1.0
    project.write(
        "api/app.py",
        """
        import socket, time
        sock = socket.create_server(("127.0.0.1", 0))
        print("port", sock.getsockname()[1], flush=True)
        time.sleep(600)
        """,
    )
    project.service("api", ports=published(port))
    error = fail(project)
    (data,) = error.diagnosis
    wrong = data["log"][0].split()[1]
    assert f"it listens on {wrong}, not on {data['ports']['8000']} as its PORT says" in error.message
    assert error.hint == "let the service listen on the port in its environment variable PORT"


def test_service_that_does_not_listen_at_all(project, port, published):
    project.start_timeout = 0.7
    project.write("api/app.py", "import time; time.sleep(600)")
    project.service("api", ports=published(port))
    assert "it listens on no port" in fail(project).message


def test_failing_healthcheck_shows_what_it_said(project, port, published):
    project.app("one")
    check = {"test": ["CMD-SHELL", "echo not yet; exit 4"], "interval": "100ms", "retries": 2, "timeout": "1s"}
    project.service("api", ports=published(port), healthcheck=check)
    error = fail(project)
    assert "its healthcheck fails: not yet" in error.message
    assert error.diagnosis[0]["health"] == "unhealthy"


def test_healthcheck_that_hangs_is_ended(project):
    project.app("one")
    check = {"test": ["CMD", "sleep", "60"], "interval": "100ms", "retries": 1, "timeout": "300ms"}
    project.service("api", healthcheck=check)
    assert "no answer within 0.3 s" in fail(project).message
    project.stop()
    assert project.mine() == []


def test_service_that_waits_for_ever(project):
    """The dependency serves but is not well, and only the dependent is deployed: nothing would ever move."""
    project.start_timeout = 0.7
    project.write("db/app.py", "import time; time.sleep(600)")
    project.app("one")
    project.service("db", healthcheck={"test": ["CMD", "test", "-e", str(project.root / "well")], "interval": "100ms"})
    (project.root / "well").touch()
    project.deploy()
    (project.root / "well").unlink()
    project.service("api", depends_on={"db": {"condition": "service_healthy", "required": True}})
    while project.observe()[0].health != "unhealthy":
        time.sleep(0.05)
    with pytest.raises(Unhealthy, match="'api' did not become healthy: it waits for what it depends on: db"):
        project.runtime.prepare(project.ctx, attrs.evolve(project.build(), only=("api",)))


def test_every_failed_service_is_diagnosed(project):
    for name in ("api", "web"):
        project.write(f"{name}/app.py", f"import time; print('{name} says'); raise SystemExit(1)")
        project.service(name)
    project.services["web"]["command"] = [sys.executable, "app.py", "--slow"]
    error = fail(project)
    assert "api says" in error.detail or "web says" in error.detail
    assert error.diagnosis


def test_healthcheck_gets_the_environment_and_folder_of_the_instance(project, port, published, get):
    project.app("one")
    project.write("api/here", "")
    test = ["CMD-SHELL", 'test -e here && test "$MODE" = a && curl -fs http://localhost:8000/ || exit 1']
    program = "import os,urllib.request as r; r.urlopen('http://localhost:8000/'); assert os.environ['MODE']=='a'; open('here')"
    test = ["CMD", sys.executable, "-c", program]
    project.service(
        "api", ports=published(port), environment={"MODE": "a"}, healthcheck={"test": test, "interval": "1s"}
    )
    project.deploy()
    assert [i.health for i in project.observe()] == ["healthy"]
    assert get(port) == "one"
