"""A sample of the crash matrix and of the races; ``crash_matrix.py`` and ``races.py`` run all of them."""

from __future__ import annotations

import os

import pytest
from crash_matrix import matrix
from races import races

ENGINES = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.needs("postgres")),
    pytest.param("mariadb", marks=pytest.mark.needs("mariadb")),
]


def server(engine: str) -> str:
    if engine == "sqlite":
        return ""
    if engine == "postgres":
        pytest.importorskip("psycopg")
    else:
        pytest.importorskip("pymysql")
    return os.environ.get(f"STAGECRAFT_TEST_{engine.upper()}") or pytest.skip("no server is named")


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_runner_does_no_harm(engine: str) -> None:
    counts = matrix(engine, server=server(engine), sample=8, twice=2)
    assert counts["killed"] >= 5
    assert counts["faults"] == 0
    assert counts["asked more than once"] == 0
    if engine == "sqlite":
        assert counts["asked"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_runners_at_once_apply_each_file_once(engine: str) -> None:
    counts = races(engine, server=server(engine), rounds=3)
    assert counts["faults"] == 0
    assert counts["lost well"] == counts["runners"] - counts["races"]
