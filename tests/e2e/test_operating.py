"""The operating commands on three real hosts; what they did is read from Docker directly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.testbed import faults, images
from tests.testbed.fixtures import TestHost

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts"), pytest.mark.timeout(600)]

CONFIG = """\
project: {name: operated}
hosts: {app: [h1, h2], db: [h3]}
services: {web: {role: app}, db: {role: db}}
environments:
  prod: {runtime: compose, rollout: {soak: 0s, keep: 1}, env_file: .env}
"""
COMPOSE = """\
services:
  web: &service
    image: busybox:latest
    command: [sh, -c, 'trap "exit 0" TERM; n=0; while :; do n=$$((n+1)); echo "$$VERSION $$n"; sleep 0.2 & wait $$!; done']
    environment: {VERSION: "1", TOKEN: "${TOKEN}"}
    stop_grace_period: 2s
  db: *service
"""


class Operated:
    """The project, deployed to the hosts."""

    def __init__(self, folder: Path, hosts: tuple[TestHost, ...]) -> None:
        self.folder, self.hosts = folder, hosts
        clean = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
        self.environ = {**clean, "STAGECRAFT_SSH_CONFIG": str(hosts[0].ssh_config)}
        for name, text in (
            ("stagecraft.yml", CONFIG),
            ("docker-compose.yml", COMPOSE),
            (".env", "TOKEN=canary-8d1f\n"),
        ):
            (folder / name).write_text(text)

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "stagecraft", *words]

    def __call__(self, *words: str, code: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.argv(*words), cwd=self.folder, env=self.environ, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == code, (done.stdout + done.stderr).decode(errors="replace")
        return done

    def version(self, version: str) -> None:
        path = self.folder / "docker-compose.yml"
        path.write_text(COMPOSE.replace('VERSION: "1"', f'VERSION: "{version}"'))
        self("deploy", "-v", version)


@pytest.fixture(scope="module")
def operated(hosts: tuple[TestHost, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    images.ensure("busybox:latest")
    made = Operated(tmp_path_factory.mktemp("operated"), hosts)
    made("deploy", "-v", "1")
    yield made
    for host in hosts:
        host.sh(
            "docker ps -aq --filter label=com.docker.compose.project=operated-prod | xargs -r docker rm -fv;"
            "rm -rf /home/deploy/.stagecraft/operated",
            check=False,
        )


def test_exec_and_run_pass_streams_and_exit_codes_over_ssh(operated: Operated) -> None:
    blob = bytes(range(256)) * 2000
    assert operated("exec", "web", "--host", "h2", "--", "cat", stdin=blob).stdout == blob
    assert operated("run", "web", "--", "sh", "-c", "cat; exit 6", stdin=blob, code=6).stdout == blob
    told = operated("exec", "web", "--json", "--", "sh", "-c", "echo $VERSION $HOSTNAME; exit 3", code=3)
    host, name = json.loads(told.stdout)["host"], json.loads(told.stdout)["stdout"].split()[1]
    assert host == "h1"
    assert operated.hosts[0].docker("ps", "-q", "--filter", f"id={name}").strip() == name
    left = [h.docker("ps", "-aq", "--filter", "label=com.docker.compose.oneoff=True").strip() for h in operated.hosts]
    assert left == ["", "", ""]


def test_ssh_is_the_users_own_client(operated: Operated) -> None:
    done = operated("ssh", "h2", "--", "sh", "-c", "hostname; id -un; exit 9", code=9)
    assert done.stdout.decode().split() == ["h2", "deploy"]


def test_a_host_that_is_cut_off_is_named_and_hides_nothing(operated: Operated) -> None:
    with faults.cut(operated.hosts[1]):
        for line in ("status", "logs --tail 1", "drift", "lock"):
            done = operated(*line.split(), code=10)
            assert b"error: h2: " in done.stderr, line
            assert b"hint: " in done.stderr, line
        found = {c["what"]: c["verdict"] for c in json.loads(operated("doctor", "--json", code=1).stdout)}
    assert found["prod: reach of h2"] == "failed"
    assert found["prod: runtime on h1"] == found["prod: runtime on h3"] == "ok"
    operated("doctor")


def test_following_outlasts_a_host_that_goes_away(operated: Operated, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        argv = operated.argv("logs", "-f", "--service", "web", "--tail", "1")
        process = subprocess.Popen(argv, cwd=operated.folder, env=operated.environ, stdout=out, stderr=err)

    def numbers(host: str) -> list[int]:
        lines = (tmp_path / "out").read_text().splitlines()
        return [int(line.split()[-1]) for line in lines if line.startswith(host) and line.split()[-1].isdigit()]

    def until(condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < ends, ((tmp_path / "out").read_text()[-500:], (tmp_path / "err").read_text())
            time.sleep(0.1)

    try:
        until(lambda: len(numbers("h1")) > 5 and len(numbers("h2")) > 5)
        faults.kill_ssh_sessions(operated.hosts[1])
        until(lambda: "h2: connected again" in (tmp_path / "err").read_text())
        seen = len(numbers("h2"))
        until(lambda: len(numbers("h2")) > seen + 10)
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0
    for host in ("h1", "h2"):
        found = numbers(host)
        assert found == list(range(found[0], found[0] + len(found))), "none is lost, doubled or out of order"


def test_drift_and_prune_see_what_was_done_by_hand(operated: Operated) -> None:
    assert b"all 3 hosts are as" in operated("drift").stdout
    home = "/home/deploy/.stagecraft/operated/prod"
    operated.hosts[0].sh(f"echo X=1 >> $(ls -d {home}/releases/*/env | tail -1)/web.env")
    operated.hosts[2].sh("docker kill $(docker ps -q --filter label=com.docker.compose.service=db)")
    found = json.loads(operated("drift", "--json", code=1).stdout)["drift"]
    assert [(d["host"], d["kind"], d["what"]) for d in found] == [
        ("h1", "file", "env/web.env"),
        ("h3", "stopped", "db"),
    ]
    operated.version("2")
    operated("drift")
    operated.hosts[0].sh(f"mkdir -p {home}/releases/rel-20200101-000000000")
    operated.hosts[0].sh(
        "docker run --name stranger busybox:latest true || docker run --name stranger $(docker images -q | head -1) true"
    )
    removed = json.loads(operated("prune", "--json").stdout)["removed"]
    assert [(r["host"], r["kind"], r["name"]) for r in removed] == [("h1", "release", "rel-20200101-000000000")]
    assert operated.hosts[0].docker("rm", "stranger").strip() == "stranger", "what is not ours stays"
    operated("rollback")
    assert b"all 3 hosts are as" in operated("drift").stdout
