"""A project goes to a swarm of two nodes: deployed, left alone, broken and undone, rolled back, looked at.

The kernel of a test machine may lack IPVS, which a swarm's ingress and virtual addresses need. So ports are published by the nodes
themselves (`mode: host`) and names resolve to tasks (`endpoint_mode: dnsrr`).
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

COMPOSE = """\
services:
  web:
    build: ./web
    ports: [{target: 8000, published: "8080", mode: host}]
    environment: {TOKEN: "${TOKEN}", APP_TERM: exit}
    healthcheck: {test: [CMD, python3, /srv/check.py], interval: 1s, timeout: 5s, retries: 5, start_period: 20s}
    stop_grace_period: 5s
    volumes: ["./settings.ini:/etc/settings.ini:ro"]
    deploy: {endpoint_mode: dnsrr}
  worker:
    build: ./web
    command: [sh, -c, "echo at work; trap 'exit 0' TERM; while :; do sleep 0.2; done"]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
"""
CONFIG = """\
project: {name: fleet}
environments:
  prod:
    runtime: swarm
    env_file: .env.prod
    hosts: {app: [HOSTS]}
"""


@pytest.fixture
def fleet(tmp_path: Path, clean_hosts: tuple[TestHost, ...]) -> Iterator[Fleet]:
    images.ensure("app:1")
    first, second, _ = clean_hosts
    for host in (first, second):
        host.docker("swarm", "leave", "--force", check=False)
    first.docker("swarm", "init", "--advertise-addr", first.address)
    token = first.docker("swarm", "join-token", "--quiet", "worker").strip()
    second.docker("swarm", "join", "--token", token, f"{first.address}:2377")
    made = Fleet(tmp_path, (first, second)).make(CONFIG, COMPOSE)
    made.write(".env.prod", "TOKEN=canary-2f9c\n")
    yield made
    for host in (second, first):
        host.docker("swarm", "leave", "--force", check=False)


def tasks(fleet: Fleet) -> list[dict[str, str]]:
    """Return container id to service of each node's running tasks, as its own engine says."""
    form = '{{.ID}} {{.Label "io.stagecraft.service"}}'
    rows = [h.docker("ps", "--no-trunc", "--format", form).splitlines() for h in fleet.hosts]
    return [dict(row.split() for row in found) for found in rows]


def test_a_stack_lives_through_releases(fleet: Fleet) -> None:
    first = fleet.stagecraft("deploy", "-v", "1", "--verbose")
    assert fleet.serving() == ["one", "one"]
    before = tasks(fleet)
    assert [sorted(found.values()) for found in before] == [["web", "worker"]] * 2
    assert "canary-2f9c" not in first.stdout + first.stderr
    records = "".join(p.read_text(errors="replace") for p in (fleet.folder / ".stagecraft").rglob("*.json"))
    assert "canary-2f9c" not in records

    again = fleet.stagecraft("deploy", "-v", "1b")
    assert tasks(fleet) == before, again.stdout

    fleet.version("broken", "health")
    failed = fleet.stagecraft("deploy", "-v", "2", code=2)
    assert "web" in failed.stderr and "unhealthy" in failed.stderr and "hint" in failed.stderr
    assert fleet.serving() == ["one", "one"], "the release was undone"

    fleet.version("two")
    fleet.stagecraft("deploy", "-v", "3")
    assert fleet.serving() == ["two", "two"]

    status = json.loads(fleet.stagecraft("status", "--json").stdout)
    seen = sorted((i["host"], i["service"], i["state"]) for i in status["instances"])
    assert seen == [(h, s, "running") for h in sorted(h.name for h in fleet.hosts) for s in ("web", "worker")]
    logs = fleet.stagecraft("logs", "--service", "worker", "--tail", "5").stdout
    assert all(h.name in logs for h in fleet.hosts) and "at work" in logs
    shown = fleet.stagecraft(
        "exec", "--service", "web", "-e", "prod", "--", "sh", "-c", "cat /etc/settings.ini; echo $TOKEN"
    )
    assert shown.stdout.split() == ["[shop]", "canary-2f9c"]

    fleet.stagecraft("rollback")
    assert fleet.serving() == ["one", "one"]
    assert len(fleet.hosts[0].docker("config", "ls", "-q").split()) == 1, "all releases share the one settings.ini"


def test_a_host_in_no_swarm_is_told_what_to_do(fleet: Fleet) -> None:
    fleet.hosts[1].docker("swarm", "leave")
    failed = fleet.stagecraft("deploy", "-v", "1", code=2)
    assert f"{fleet.hosts[1].name} is in no swarm" in failed.stderr
    assert "docker swarm join" in failed.stderr
    assert tasks(fleet) == [{}, {}]
