"""The small programs that `stagecraft logs`, `exec` and `run` start, run for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from stagecraft_hookspecs.runtime import Execution, LogQuery, View
from stagecraft_hookspecs.values import LOCAL

from stagecraft_process import runtime
from stagecraft_process.supervisor import output


def view(project) -> View:
    release = project.last.deployment.release_id if project.last else "rel-20260101-000000001"
    return View("shop", "local", LOCAL, str(project.home), release, project.observe())


def run(project, command):
    return subprocess.run(command.argv, capture_output=True, text=True, timeout=30, cwd=project.root)


def logs(project, **query) -> list[str]:
    result = run(project, runtime.ProcessRenderer().logs(view(project), LogQuery(**query)))
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def talker(project, name, *lines, then="time.sleep(600)"):
    text = "".join(f"print({line!r}, flush=True)\n" for line in lines)
    project.write(f"{name}/app.py", f"import time, sys\n{text}{then}\n")
    project.service(name)


def execute(project, *argv, **more):
    return run(project, runtime.ProcessRenderer().execute(view(project), Execution("api", argv, **more)))


def test_logs_of_all_services_have_their_names_in_front(project):
    talker(project, "api", "hello", "väl \x1b[1mbold")
    talker(project, "worker", "working")
    project.deploy()
    assert sorted(logs(project)) == ["api    | hello", "api    | väl \x1b[1mbold", "worker | working"]
    assert logs(project, services=("worker",)) == ["worker | working"]


def test_tail_and_since(project):
    talker(project, "api", *(f"line {n}" for n in range(5)))
    project.deploy()
    assert logs(project, tail=2) == ["api | line 3", "api | line 4"]
    assert logs(project, tail=0) == []
    assert len(logs(project, since=60)) == 5
    time.sleep(0.3)
    assert logs(project, since=0.1) == []


def test_tail_leaves_out_instances_that_are_gone_and_the_whole_log_does_not(project):
    talker(project, "api", "from the first")
    project.deploy()
    talker(project, "api", "from the second")
    project.deploy()
    assert logs(project, tail=5) == ["api | from the second"]
    assert "api | from the first" in logs(project)


def test_following_shows_new_lines_over_a_rotation(project):
    talker(project, "api", "first")
    project.deploy()
    command = runtime.ProcessRenderer().logs(view(project), LogQuery(follow=True))
    with subprocess.Popen(command.argv, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout.readline() == "api | first\n"
        path = project.home / "logs/api.log"
        path.rename(path.with_name("api.log.1"))
        path.write_text("2026-01-01T00:00:00.000Z api-1@x second\n")
        assert follower.stdout.readline() == "api | second\n"
        follower.kill()


def test_logs_are_rotated_and_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "LIMIT", 10_000)
    log = output.Log(str(tmp_path), "api")
    for n in range(1000):
        log.write("api-1@r", [b"%05d" % n + b"x" * 50])
    log.close()
    files = sorted(p.name for p in (tmp_path / "logs").iterdir())
    assert files == ["api.log", "api.log.1", "api.log.2"]
    assert all(p.stat().st_size <= 10_000 for p in (tmp_path / "logs").iterdir())
    assert "00999x" in (tmp_path / "logs/api.log").read_text().splitlines()[-1]
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in (tmp_path / "logs").iterdir())


def test_much_output_arrives_whole(project):
    body = "for n in range(20000): print('line', n, 'x' * 50)\nsys.stdout.flush()\ntime.sleep(600)"
    talker(project, "api", then=body)
    project.deploy()
    deadline = time.monotonic() + 10
    while len(found := logs(project)) < 20000 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [line.split()[3] for line in found] == [str(n) for n in range(20000)]


def test_exec_has_folder_and_environment_of_the_running_instance(project, port, get, published):
    project.secrets["TOKEN"] = "canary"
    project.app("one")
    project.service("api", ports=published(port), environment={"TOKEN": "<secret:TOKEN>"})
    project.deploy()
    own = json.loads(get(port, "/env"))
    result = execute(
        project, sys.executable, "-c", "import os,json; print(json.dumps([os.getcwd(), dict(os.environ)]))"
    )
    cwd, env = json.loads(result.stdout)
    assert os.listdir(cwd) == ["app.py"]
    assert (env["TOKEN"], env["PORT"]) == ("canary", own["PORT"])


def test_exec_passes_exit_code_and_arguments_unchanged(project):
    talker(project, "api")
    project.deploy()
    assert execute(project, "sh", "-c", "exit 7").returncode == 7
    assert execute(project, "printf", "%s|", "a b", "$HOME", "--", "--tail").stdout == "a b|$HOME|--|--tail|"
    result = execute(project, "no-such-tool")
    assert (result.returncode, "no-such-tool: No such file" in result.stderr) == (127, True)


def test_exec_without_a_running_instance_says_so(project):
    talker(project, "api")
    project.build()
    result = execute(project, "true")
    assert (result.returncode, result.stderr) == (125, "there is no running service 'api' here; deploy it first\n")


def test_one_off_runs_before_the_rollout_with_the_new_release(project):
    project.secrets["TOKEN"] = "canary"
    talker(project, "api")
    project.write("api/migrate.py", "import os; print('migrated', os.environ['TOKEN'], os.environ['PORT'].isdigit())")
    project.services["api"]["environment"] = {"TOKEN": "<secret:TOKEN>"}
    project.runtime.ship(project.ctx, project.build())
    assert execute(project, sys.executable, "migrate.py", oneoff=True).stdout == "migrated canary True\n"
    assert project.observe() == ()


@pytest.mark.parametrize("module", ["stagecraft_process.supervisor.__main__", "stagecraft_process.logs"])
def test_what_runs_often_imports_little(module):
    code = (
        f"import sys, {module}; print(sorted(m for m in sys.modules if m.split('.')[0] in ('attrs', 'attr', 'pluggy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_leaving_lets_the_next_supervisor_take_over(project, port, get, published):
    project.app("one")
    project.service("api", ports=published(port))
    project.deploy()
    before, old = get(port, "/pid"), project.supervisor()
    stop = [sys.executable, "-m", "stagecraft_process.stop", "--leave", str(project.home)]
    subprocess.run(stop, check=True, timeout=10)
    project.deploy()
    assert project.supervisor() != old
    assert get(port, "/pid") == before
