"""Fixtures for tests that need hosts; a test folder's conftest.py says `pytest_plugins = ["tests.testbed.fixtures"]`.

    @pytest.mark.needs("hosts")
    def test_it(clean_hosts: tuple[TestHost, ...]) -> None:
        first, *others = clean_hosts
        assert first.ssh("docker", "ps", "-q").stdout == ""

`hosts` are the usual three, shared by the whole run; `clean_hosts` are the same, whole and empty for one test;
`make_host` brings up one more, such as one with a small disk, that goes after the test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import faults, handles, registry
from .handles import TestHost
from .hosts import USUAL, Spec
from .layout import Layout
from .needs import HOSTS
from .registry import Registry

__all__ = ["Registry", "TestHost", "clean_hosts", "hosts", "make_host", "registries"]

MakeHost = Callable[..., TestHost]
FIRST_MADE = 100
"""Hosts made for one test have numbers from here on, the process's own first."""


@pytest.fixture(scope="session")
def hosts() -> tuple[TestHost, ...]:
    """Return the usual hosts, up; what a test does to them the next one finds."""
    return handles.open_all(Layout(Path(os.environ[HOSTS])))[:USUAL]


@pytest.fixture
def clean_hosts(hosts: tuple[TestHost, ...]) -> Iterator[tuple[TestHost, ...]]:
    """Return the usual hosts, whole and without containers, volumes, networks and a deployer's files; also afterwards."""
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        list(pool.map(_renew, hosts))
        yield hosts
        list(pool.map(_renew, hosts))


@pytest.fixture
def registries() -> Iterator[tuple[Registry, Registry]]:
    """Return the open registry and the one that asks for a password, running; also afterwards, with its password valid."""
    both = registry.from_environment(Layout(Path(os.environ[HOSTS])), dict(os.environ))
    for each in both:
        each.start()
    yield both
    for each in both:
        each.start()
    both[1].renew()


@pytest.fixture
def make_host() -> Iterator[MakeHost]:
    """Return a function that brings up one more host for this test.

    It takes `engine` and `disk` as `tests.testbed.hosts.Spec` does: `make_host(disk="loop:300M")`, `make_host(engine="")`.
    """
    layout = Layout(Path(os.environ[HOSTS]))
    with ExitStack() as stack:

        def make(**wanted: str) -> TestHost:
            taken = {host.spec.number for host in handles.open_all(layout)}
            number = next(number for number in range(FIRST_MADE, 200) if number not in taken)
            host = handles.open_host(layout, Spec(number, **wanted))
            stack.callback(handles.take_down, host)  # also where it does not come up
            handles.bring_up(layout, host.spec)
            return host

        yield make


def _renew(host: TestHost) -> None:
    faults.heal(host)
    handles.clean(host)
