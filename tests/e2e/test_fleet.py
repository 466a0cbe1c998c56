"""A stranger's compose file goes to three hosts, is upgraded under load, broken on purpose, and rolled back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.testbed import images
from tests.testbed.fixtures import TestHost

from .fleet import Fleet

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts"), pytest.mark.timeout(600)]


@pytest.fixture
def fleet(tmp_path: Path, clean_hosts: tuple[TestHost, ...]) -> Fleet:
    images.ensure("app:1")
    for host in clean_hosts:
        images.put(host, "haproxy:3.0")
    return Fleet(tmp_path, clean_hosts).make()


def test_a_release_goes_to_every_host_and_the_next_one_replaces_it(fleet: Fleet) -> None:
    first = fleet.stagecraft("deploy", "-v", "1")
    assert fleet.serving() == ["one"] * 3
    assert "1 serves in prod" in first.stdout
    before = [{c["Name"]: c["Id"] for c in fleet.containers(h)} for h in fleet.hosts]

    again = fleet.stagecraft("deploy", "-v", "1b")
    assert [{c["Name"]: c["Id"] for c in fleet.containers(h)} for h in fleet.hosts] == before, again.stdout

    fleet.version("two")
    second = fleet.stagecraft("deploy", "-v", "2")
    assert fleet.serving() == ["two"] * 3
    assert "none failed" in second.stdout
    assert fleet.downtime()["failures"] == 0

    back = fleet.stagecraft("rollback")
    assert fleet.serving() == ["one"] * 3
    (again,) = re.findall(r"stagecraft (rollback .*)", back.stdout)
    fleet.stagecraft(*again.replace("-e prod", "").split())
    assert fleet.serving() == ["two"] * 3


@pytest.mark.parametrize("broken", ["start", "health"])
def test_a_broken_release_never_gets_a_request(fleet: Fleet, broken: str) -> None:
    fleet.stagecraft("deploy", "-v", "1")
    fleet.version("two", broken)
    failed = fleet.stagecraft("deploy", "-v", "2", code=2)
    assert fleet.serving() == ["one"] * 3
    assert "web" in failed.stderr and "hint" in failed.stderr
    assert fleet.downtime()["failures"] == 0
    for host in fleet.hosts:
        versions = {e for c in fleet.containers(host, everything=True) for e in c["Config"]["Env"] if "VERSION" in e}
        assert versions == {"APP_VERSION=one"}, "nothing of the broken release is left"


def test_the_hosts_hold_no_secret_that_others_can_read(fleet: Fleet) -> None:
    done = fleet.stagecraft("deploy", "-v", "1", "--verbose")
    assert "canary-2f9c" not in done.stdout + done.stderr
    for host in fleet.hosts:
        found = host.sh("grep -rl canary-2f9c /home /root /tmp /var/tmp /etc 2>/dev/null || true").split()
        assert found, "the value is where the containers get it from"
        modes = host.sh(f"stat -c %a {' '.join(found)}").split()
        assert set(modes) == {"600"}
    assert "canary-2f9c" not in "".join(
        p.read_text(errors="replace") for p in (fleet.folder / ".stagecraft").rglob("*.json")
    )


def test_what_the_commands_say_of_a_fleet(fleet: Fleet) -> None:
    fleet.stagecraft("deploy", "-v", "1")
    status = json.loads(fleet.stagecraft("status", "--json").stdout)
    assert {i["host"] for i in status["instances"]} == {h.name for h in fleet.hosts}
    logs = fleet.stagecraft("logs", "--service", "web", "--tail", "5").stdout
    assert all(h.name in logs for h in fleet.hosts)
