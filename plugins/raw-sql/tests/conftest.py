"""Fixtures of the engine's tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rawsql_harness import Project, mariadb


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return an empty project on a SQLite file below its folder."""
    return Project(tmp_path)


def _server(variable: str) -> str:
    """Return a server's URL; skip the test where none is given."""
    return os.environ.get(variable) or pytest.skip(f"{variable} names no server")


def _fresh_name() -> str:
    return f"raw_{os.getpid()}_{time.monotonic_ns()}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Return the URL of an empty database on the server that ``STAGECRAFT_TEST_POSTGRES`` names; drop it afterwards."""
    psycopg = pytest.importorskip("psycopg")
    server, name = _server("STAGECRAFT_TEST_POSTGRES"), _fresh_name()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """Return the URL of an empty database on the server that ``STAGECRAFT_TEST_MARIADB`` names; drop it afterwards."""
    server, name = _server("STAGECRAFT_TEST_MARIADB"), _fresh_name()
    with mariadb(server) as admin:
        admin.cursor().execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        admin.cursor().execute(f"DROP DATABASE {name}")
