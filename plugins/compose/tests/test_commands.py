from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest
from stagecraft_compose.render import ComposeRenderer
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.runtime import Execution, Instance, LogQuery, View
from stagecraft_hookspecs.values import LOCAL, Command

from .conftest import Lab, page

WEB = Instance("web", "local", "aaa", "running", release_id="r2")
KEPT = Instance("web", "local", "bbb", "exited", release_id="r1", active=False)
DB = Instance("db", "local", "ccc", "running", release_id="r2")
VIEW = View("shop", "prod", LOCAL, "/home/x", "r2", (WEB, KEPT, DB))


def test_logs_are_those_of_the_serving_instances() -> None:
    command = ComposeRenderer().logs(VIEW, LogQuery(follow=True, since=90, tail=5))

    assert command.argv[:2] == ("sh", "-c")
    assert command.argv[3:] == ("logs", "5", "--follow", "--tail", "5", "--since", "90s", "db", "ccc", "web", "aaa")


def test_logs_of_one_service() -> None:
    assert ComposeRenderer().logs(VIEW, LogQuery(services=("db",))).argv[3:] == ("logs", "0", "db", "ccc")


def test_exec_goes_to_the_running_container() -> None:
    run = ComposeRenderer().execute
    assert run(VIEW, Execution("web", ("ls", "-l"))).argv == ("docker", "exec", "aaa", "ls", "-l")
    assert run(VIEW, Execution("web", ("sh",), interactive=True)).argv == ("docker", "exec", "-i", "-t", "aaa", "sh")
    with pytest.raises(UserError, match="cache does not run on local"):
        run(VIEW, Execution("cache", ("ls",)))


def test_a_one_off_run_uses_the_releases_own_file_and_puts_nothing_of_the_users_into_the_script() -> None:
    command = ComposeRenderer().execute(VIEW, Execution("web", ("echo", "; rm -rf /"), oneoff=True, timeout=9))
    folder = "/home/x/releases/r2"

    assert command.argv[3:] == (
        *("oneoff", "shop-prod-web-oneoff", folder, "shop-prod", f"{folder}/host.json"),
        *("web", "echo", "; rm -rf /"),
    )
    assert "rm -rf" not in command.argv[2]
    assert command.timeout == 9


@pytest.mark.needs("docker")
class TestOnAnEngine:
    def view(self, lab: Lab) -> View:
        home = str(lab.root / ".stagecraft" / "home" / "prod")
        return View(lab.project, "prod", LOCAL, home, "r1", lab.observe())

    def run(self, lab: Lab, command: Command, **more: Any) -> Any:
        return lab.context.here.run(command, **more)

    def test_logs_exec_and_one_off_runs(self, lab: Lab) -> None:
        lab.secrets["TOKEN"] = "hush"
        environment = {"V": "v1", "TOKEN": "<secret:TOKEN>"}
        lab.deploy("r1", {"web": page("v1", lab.port, environment=environment), "api": page("v2")})
        view, renderer = self.view(lab), ComposeRenderer()

        printed = self.run(lab, renderer.logs(view, LogQuery())).stdout.splitlines()
        assert sorted(printed) == ["api | serving v2", "web | serving v1"]
        assert self.run(lab, renderer.logs(view, LogQuery(("api",), tail=0))).stdout == ""
        inside = Execution("web", ("cat", "/w/index.html"))
        assert self.run(lab, renderer.execute(view, inside)).stdout == "v1\n"
        once = Execution("web", ("sh", "-c", 'echo "$V $TOKEN"; exit 3'), oneoff=True)
        result = self.run(lab, renderer.execute(view, once), check=False)
        assert (result.stdout, result.exit_code) == ("v1 hush\n", 3)
        assert lab.states() == {"api": ["running"], "web": ["running"]}

    def test_logs_can_be_followed_and_end_when_they_are_told_to(self, lab: Lab) -> None:
        talker = page(
            "v1", command=["sh", "-c", "while :; do echo tick; sleep 0.2; done"], healthcheck={"disable": True}
        )
        talker["deploy"] = {"update_config": {"monitor": "0s"}}
        talker["stop_grace_period"] = "0s"
        lab.deploy("r1", {"a": talker, "b": talker})
        command = ComposeRenderer().logs(self.view(lab), LogQuery(follow=True, tail=1))
        process = subprocess.Popen(command.argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        seen: set[str] = set()
        assert process.stdout
        until = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < until:
            seen.add(process.stdout.readline().strip())
        process.terminate()
        process.communicate(timeout=5)

        assert seen == {"a | tick", "b | tick"}

    def test_a_one_off_run_that_is_ended_leaves_no_container(self, lab: Lab) -> None:
        lab.deploy("r1", {"web": page("v1", lab.port)})
        once = Execution("web", ("sleep", "60"), oneoff=True)
        command = ComposeRenderer().execute(self.view(lab), once)
        process = subprocess.Popen(command.argv, start_new_session=True, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while len(lab.ids()) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(lab.ids()) == 2
        process.terminate()
        assert process.wait(10) == 143
        assert len(lab.ps()) == 1

    def test_a_one_off_run_works_before_anything_is_prepared(self, lab: Lab) -> None:
        spec = lab.spec("r1", {"web": page("v1", lab.port)})
        lab.run(spec, "ship")
        assert lab.ps() == []
        once = Execution("web", ("echo", "migrated"), oneoff=True)
        assert self.run(lab, ComposeRenderer().execute(self.view(lab), once)).stdout == "migrated\n"
