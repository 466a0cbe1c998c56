"""A project of a team that has the docker-rollout tool on its host: deployed, left alone, broken and undone, rolled back.

The tool's place is taken by the stand-in of the plugin's tests; the engine, Compose, SSH and the application are real.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed import images
from tests.testbed.fixtures import TestHost

from .fleet import Fleet

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts"), pytest.mark.timeout(600)]

TOOL = Path(__file__).parents[2] / "plugins/docker-rollout/tests/docker-rollout"
COMPOSE = """\
services:
  web:
    build: ./web
    environment: {TOKEN: "${TOKEN}", APP_TERM: exit}
    healthcheck: {test: [CMD, python3, /srv/check.py], interval: 1s, timeout: 5s, retries: 3}
    stop_grace_period: 5s
  clock:
    build: ./web
    ports: ["8080:8000"]
    environment: {APP_TERM: exit}
    healthcheck: {test: [CMD, python3, /srv/check.py], interval: 1s, timeout: 5s, retries: 3}
    stop_grace_period: 5s
"""
CONFIG = """\
project: {name: fleet}
environments:
  prod:
    runtime: docker-rollout
    env_file: .env.prod
    hosts: {app: [HOSTS]}
"""


@pytest.fixture
def fleet(tmp_path: Path, clean_hosts: tuple[TestHost, ...]) -> Iterator[Fleet]:
    images.ensure("app:1")
    host = clean_hosts[0]
    place = f"/home/{host.user}/.docker/cli-plugins/docker-rollout"
    host.sh(
        f"install -d -o {host.user} {Path(place).parent} && cat > {place} && chmod 755 {place}", stdin=TOOL.read_text()
    )
    made = Fleet(tmp_path, (host,)).make(CONFIG, COMPOSE)
    made.write(".env.prod", "TOKEN=canary-2f9c\n")
    yield made
    host.sh(f"rm -f {place}")


def running(fleet: Fleet) -> dict[str, str]:
    """Return service to id of the running containers, as the host's engine says; there is one of each."""
    found = [(c["Config"]["Labels"]["com.docker.compose.service"], c["Id"]) for c in fleet.containers(fleet.hosts[0])]
    assert len(found) == len(dict(found)), found
    return dict(found)


def versions(fleet: Fleet) -> dict[str, str]:
    """Return service to the version that its container was made with."""
    found = {}
    for container in fleet.containers(fleet.hosts[0]):
        environment = dict(e.partition("=")[::2] for e in container["Config"]["Env"])
        found[container["Config"]["Labels"]["com.docker.compose.service"]] = environment["APP_VERSION"]
    return found


def test_a_service_is_rolled_through_releases(fleet: Fleet) -> None:
    first = fleet.stagecraft("deploy", "-v", "1", "--verbose")
    assert "canary-2f9c" not in first.stdout + first.stderr
    assert fleet.serving() == ["one"]
    before = running(fleet)
    assert sorted(before) == ["clock", "web"]

    fleet.stagecraft("deploy", "-v", "1b")
    assert running(fleet) == before

    fleet.version("broken", "health")
    failed = fleet.stagecraft("deploy", "-v", "2", code=2)
    assert "is unhealthy" in failed.stderr and "hint" in failed.stderr
    assert versions(fleet) == {"clock": "one", "web": "one"}
    assert fleet.serving() == ["one"], "the release was undone"
    assert running(fleet)["web"] == before["web"], "its turn had not come"

    fleet.version("two")
    fleet.stagecraft("deploy", "-v", "3")
    assert "/fleet-prod-web-2" in [c["Name"] for c in fleet.containers(fleet.hosts[0])], (
        "the tool ran both side by side"
    )
    assert versions(fleet) == {"clock": "two", "web": "two"}
    assert fleet.serving() == ["two"]

    status = json.loads(fleet.stagecraft("status", "--json").stdout)
    assert sorted((i["service"], i["state"]) for i in status["instances"]) == [("clock", "running"), ("web", "running")]
    assert "version two" in fleet.stagecraft("logs", "--service", "web", "--tail", "5").stdout

    fleet.stagecraft("rollback")
    assert versions(fleet) == {"clock": "one", "web": "one"}
    assert fleet.serving() == ["one"]


def test_a_host_without_the_tool_is_told_before_anything_is_built(fleet: Fleet) -> None:
    fleet.hosts[0].sh(f"rm /home/{fleet.hosts[0].user}/.docker/cli-plugins/docker-rollout")
    failed = fleet.stagecraft("deploy", "-v", "1", code=2)
    assert "docker-rollout is not installed on" in failed.stderr
    assert running(fleet) == {}
