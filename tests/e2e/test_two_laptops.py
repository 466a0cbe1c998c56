"""Two checkouts on two machines share an environment's history: each sees, continues and rolls back what the other did."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.testbed import faults, images
from tests.testbed.fixtures import TestHost

from .fleet import Fleet

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts"), pytest.mark.timeout(300)]

CONFIG = "project: {name: fleet}\nenvironments: {prod: {runtime: compose, state: hosts, hosts: {app: [HOSTS]}}}\n"
COMPOSE = """\
services:
  api:
    image: app:1
    environment: {APP_VERSION: one}
    ports: ["8080:8000"]
    stop_grace_period: 1s
    healthcheck:
      test: [CMD, python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
      interval: 1s
      start_period: 20s
"""


@pytest.fixture
def laptops(tmp_path: Path, clean_hosts: tuple[TestHost, ...]) -> tuple[Fleet, Fleet]:
    images.ensure("app:1")
    one = Fleet(tmp_path / "one", clean_hosts).make(CONFIG, COMPOSE)
    shutil.copytree(one.folder, tmp_path / "two")
    return one, Fleet(tmp_path / "two", clean_hosts)


def outcomes(laptop: Fleet) -> list[str]:
    """Return what became of each release, newest first."""
    return [line.split()[3] for line in laptop.stagecraft("releases", "list").stdout.splitlines()[1:]]


def test_what_one_began_the_other_finishes_and_takes_back(laptops: tuple[Fleet, Fleet]) -> None:
    one, two = laptops
    one.stagecraft("deploy", "-v", "1")
    assert one.serving() == ["one"] * 3
    assert outcomes(two) == ["serving"]
    assert two.release() == one.release()

    one.write("docker-compose.yml", COMPOSE.replace("VERSION: one", "VERSION: two"))
    one.write(".stagecraft/hooks/rollout-before", '#!/bin/sh\ntouch "$PWD/here"\nexec sleep 60\n')
    (one.folder / ".stagecraft/hooks/rollout-before").chmod(0o755)
    process = one.start("deploy", "-v", "2")
    ends = time.monotonic() + 120
    while not (one.folder / "here").exists():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert "locked" in two.stagecraft("deploy", "-v", "3", code=1).stderr
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert outcomes(two) == ["interrupted", "serving"]
    two.stagecraft("deploy", "--resume")
    assert two.serving() == ["two"] * 3
    assert outcomes(one) == ["serving", "complete"]
    one.stagecraft("rollback")
    assert two.serving() == ["one"] * 3
    assert outcomes(two) == ["serving", "complete", "complete"]


def test_the_history_can_be_read_with_one_host_down(
    laptops: tuple[Fleet, Fleet], clean_hosts: tuple[TestHost, ...]
) -> None:
    one, two = laptops
    one.stagecraft("deploy", "-v", "1")
    with faults.rejected(clean_hosts[0]):
        listed = two.stagecraft("releases", "list")
        assert listed.stdout.splitlines()[-1].split()[3] == "serving"
        assert f"{clean_hosts[0].name} does not tell its part of the history" in listed.stdout + listed.stderr
        refused = two.stagecraft("deploy", "-v", "2", code=None)
        assert refused.returncode in (2, 10), "a run needs every host"
        assert clean_hosts[0].name in refused.stderr
    assert outcomes(two) == ["serving"], "nothing was begun"
