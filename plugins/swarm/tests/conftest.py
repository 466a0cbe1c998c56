"""Give the tests a swarm of one node: the first host of the testbed, in swarm mode for as long as the module's tests run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed import images
from tests.testbed.fixtures import TestHost, hosts  # noqa: F401

from .lab import Lab


@pytest.fixture(scope="module")
def node(hosts: tuple[TestHost, ...]) -> Iterator[TestHost]:  # noqa: F811
    host = hosts[0]
    images.put(host, "busybox:latest")
    host.docker("swarm", "leave", "--force", check=False)
    host.docker("swarm", "init", "--advertise-addr", host.address)
    yield host
    host.docker("swarm", "leave", "--force")


@pytest.fixture
def lab(tmp_path: Path, node: TestHost) -> Iterator[Lab]:
    made = Lab(tmp_path, f"sct{uuid.uuid4().hex[:8]}", node.docker_host)
    yield made
    if made.objects("service"):
        made.docker("stack", "rm", made.stack)
