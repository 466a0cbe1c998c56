"""Kill -9 of each party at each time: what serves goes on serving, or the next command brings it back; nothing is left over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from stagecraft_hookspecs.errors import ProviderError, StateCorrupt, Unhealthy

from stagecraft_process import layout


def gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def serve(project, port, published, **more):
    project.app("one")
    project.service("api", ports=published(port), **more)
    project.deploy()


def kill_supervisor(project) -> int:
    pid = project.supervisor()
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    return pid


def test_next_command_after_a_killed_supervisor_adopts_the_running_instance(project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    kill_supervisor(project)
    (seen,) = project.observe()
    assert (seen.id, seen.state) == (before.id, "running"), "observing changes nothing and says what is"
    prepared = project.deploy()
    assert (prepared.changed, prepared.unchanged) == ((), ("api",))
    assert get(port, "/pid") == before.id


def test_lines_logged_while_no_supervisor_ran_are_not_lost(project, port, get, published):
    serve(project, port, published)
    own = int(project.observe()[0].ports[0].partition("->")[2].partition("/")[0])
    kill_supervisor(project)
    get(own, "/while-nobody-listened")
    project.deploy()
    until(lambda: "/while-nobody-listened" in (project.home / "logs/api.log").read_text())


def test_adopted_instance_is_restarted_when_it_crashes(project, port, get, published):
    serve(project, port, published)
    kill_supervisor(project)
    project.deploy()
    (before,) = project.observe()
    os.kill(int(before.id), signal.SIGKILL)
    until(lambda: project.observe()[0].id != before.id)
    assert get(port) == "one"


def test_everything_that_died_with_the_supervisor_is_started_again_as_after_a_reboot(project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    kill_supervisor(project)
    os.kill(int(before.id), signal.SIGKILL)
    until(lambda: gone(int(before.id)))
    ctx = project.ctx
    assert [i.state for i in project.runtime.observe(ctx, project.last.host)] == ["exited"]
    assert "`stagecraft deploy` starts it" in ctx.said[0]
    assert project.deploy().unchanged == ("api",)
    assert get(port) == "one"


def test_pid_of_another_process_is_never_taken_for_an_instance(project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    kill_supervisor(project)
    os.kill(int(before.id), signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        path = project.home / "state.json"
        path.write_text(path.read_text().replace(f'"pid":{before.id}', f'"pid":{stranger.pid}'))
        project.deploy()
        assert get(port, "/pid") not in (before.id, str(stranger.pid))
        project.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_instance_started_just_before_the_kill_and_not_yet_recorded_is_ended(project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    path = project.home / "state.json"
    state = json.loads(path.read_text())
    kill_supervisor(project)
    state["groups"][0]["instances"][0] |= {"pid": 0, "started": ""}
    path.write_text(json.dumps(state))
    project.deploy()
    assert gone(int(before.id))
    assert get(port) == "one"


def test_deployer_killed_while_it_prepares_leaves_the_old_serving_and_a_repetition_finishes(
    project, port, get, published
):
    serve(project, port, published)
    project.app("two")
    project.services["api"]["healthcheck"] = {"test": ["CMD", "test", "-e", "/nonexistent"], "interval": "60s"}
    target = project.build()
    deployer = os.fork()
    if not deployer:
        with contextlib.suppress(BaseException):
            project.runtime.prepare(project.ctx, target)
        os._exit(0)
    until(lambda: len(project.observe()) == 2)
    os.kill(deployer, signal.SIGKILL)
    os.waitpid(deployer, 0)
    assert get(port) == "one"
    project.runtime.undo(project.ctx, target)
    assert [i.active for i in project.observe()] == [True]
    del project.services["api"]["healthcheck"]
    project.deploy()
    assert get(port) == "two"


def test_leftovers_of_a_killed_deploy_are_removed_by_the_next(project, port, get, published):
    serve(project, port, published)
    project.app("two")
    project.runtime.prepare(project.ctx, project.build())
    project.app("three")
    project.runtime.prepare(project.ctx, project.build())
    until(lambda: sorted(i.release_id[-1] for i in project.observe()) == ["1", "3"], 15)
    assert get(port) == "one"


def test_supervisor_killed_between_prepare_and_switch(project, port, get, published):
    serve(project, port, published)
    project.app("two")
    target = project.build()
    project.runtime.prepare(project.ctx, target)
    kill_supervisor(project)
    project.runtime.switch(project.ctx, target)
    project.runtime.retire(project.ctx, target)
    assert get(port) == "two"
    assert len(project.observe()) == 1


def test_supervisor_outlives_hangup_and_the_group_of_its_parent(project, port, get, published):
    serve(project, port, published)
    pid = project.supervisor()
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    time.sleep(0.1)
    assert get(port) == "one"


def test_sigterm_ends_the_supervisor_with_all_instances_and_the_next_deploy_starts_them(project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    pid = project.supervisor()
    os.kill(pid, signal.SIGTERM)
    until(lambda: gone(pid))
    assert gone(int(before.id))
    assert project.mine() == []
    project.deploy()
    assert get(port) == "one"


def test_stop_ends_instances_that_a_killed_supervisor_left(project, port, published):
    serve(project, port, published)
    kill_supervisor(project)
    assert project.mine() != []
    project.stop()
    assert project.mine() == []


def test_stop_where_nothing_runs_succeeds(project):
    project.home.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(project.home)], check=True, timeout=60)


def test_two_commands_at_once_start_one_supervisor(project):
    project.home.mkdir(parents=True)
    code = f"from stagecraft_process.client import ensure; print(ensure({str(project.home)!r}).call('hello')['pid'])"
    starters = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    pids = {int(starter.communicate()[0]) for starter in starters}
    assert pids == {project.supervisor()}


def test_stale_socket_is_replaced(project, port, get, published):
    project.home.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(project.home / "supervisor.sock"))
    serve(project, port, published)
    assert get(port) == "one"


def test_long_paths_work(tmp_path, project, port, get, published):
    project.root = tmp_path / ("deep" * 20) / ("er" * 30)
    project.root.mkdir(parents=True)
    assert len(str(project.home / "supervisor.sock")) > layout.SOCKET_LIMIT
    serve(project, port, published)
    assert get(port) == "one"


def test_project_reached_by_another_path_is_the_same_environment(tmp_path, project, port, get, published):
    serve(project, port, published)
    (before,) = project.observe()
    kill_supervisor(project)
    (tmp_path.parent / f"{tmp_path.name}-link").symlink_to(tmp_path)
    real, project.root = project.root, tmp_path.parent / f"{tmp_path.name}-link"
    (seen,) = project.observe()
    assert project.deploy().unchanged == ("api",)
    project.root = real
    assert seen.id == before.id
    assert get(port) == "one"
    assert len(project.mine()) == 2, "the supervisor and one instance"


def test_damaged_state_is_named_and_left_as_it_is(project, port, get, published):
    serve(project, port, published)
    project.stop()
    path = project.home / "state.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(StateCorrupt, match=r"state\.json is damaged"):
        project.observe()
    with pytest.raises(ProviderError, match="did not start") as caught:
        project.deploy()
    assert "state.json is damaged" in caught.value.detail
    assert len(path.read_text()) == 100


def test_children_of_an_instance_end_with_it_even_in_a_session_of_their_own(project):
    project.write(
        "api/app.py",
        """
        import os, subprocess, time
        subprocess.Popen(["sleep", "600"])
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        time.sleep(600)
        """,
    )
    project.service("api")
    project.deploy()
    until(lambda: len(project.mine()) == 4)
    (before,) = project.observe()
    children = set(project.mine()) - {int(before.id), project.supervisor()}
    os.kill(int(before.id), signal.SIGKILL)
    until(lambda: project.observe()[0].restarts == 1 and project.observe()[0].state == "running")
    assert all(gone(child) for child in children)
    project.stop()
    assert project.mine() == []


def test_deaf_instance_is_killed_after_its_grace(project):
    project.write("api/app.py", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    project.service("api", stop_grace_period="300ms")
    project.deploy()
    begun = time.monotonic()
    project.stop()
    assert 0.3 <= time.monotonic() - begun < 3
    assert project.mine() == []


def test_stop_signal_is_the_one_asked_for(project, tmp_path):
    project.write(
        "api/app.py",
        f"""
        import os, signal, time
        def note(*args):
            open({str(tmp_path / "got")!r}, "w").write("SIGQUIT"); os._exit(0)
        signal.signal(signal.SIGQUIT, note)
        time.sleep(600)
        """,
    )
    project.service("api", stop_signal="SIGQUIT")
    project.deploy()
    project.stop()
    assert (tmp_path / "got").read_text() == "SIGQUIT"


def test_crash_loop_after_the_switch_backs_off(project, tmp_path):
    project.write(
        "api/app.py",
        f"""
        import os, time
        while not os.path.exists({str(tmp_path / "die")!r}):
            time.sleep(0.02)
        raise SystemExit(7)
        """,
    )
    project.service("api")
    project.deploy()
    (tmp_path / "die").touch()
    begun = time.monotonic()
    until(lambda: project.observe()[0].restarts >= 3)
    assert time.monotonic() - begun > 0.1 + 0.2 + 0.4 - 0.05
    (seen,) = project.observe()
    assert seen.exit_code == 7
    assert "exited with code 7" in (project.home / "logs/api.log").read_text()


def test_failed_release_is_diagnosed_and_the_old_serves(project, port, get, published):
    serve(project, port, published)
    project.write("api/app.py", "import sys; print('no such table', file=sys.stderr); sys.exit(3)")
    with pytest.raises(Unhealthy, match="'api' did not become healthy: it exited with code 3"):
        project.deploy()
    assert get(port) == "one"
    assert len(project.observe()) == 1
