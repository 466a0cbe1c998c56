"""Random projects read as Docker Compose prints them; `python -m tests.compose.differential` runs as many as you like."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ConfigError

from tests.compose.cases import Case
from tests.compose.differential import compare
from tests.compose.random_projects import ENVIRON, write_project


@pytest.mark.needs("docker")
@pytest.mark.parametrize("seed", range(30))
def test_a_random_project_reads_as_compose_prints_it(tmp_path: Path, seed: int) -> None:
    verdict, detail = compare(tmp_path / "project", seed)
    assert verdict != "different", detail


def test_random_projects_are_read_or_refused_with_places(tmp_path: Path) -> None:
    read = 0
    for seed in range(100):
        folder = tmp_path / str(seed)
        write_project(folder, seed)
        try:
            Case(folder, environ=dict(ENVIRON)).load()
            read += 1
        except ConfigError as error:
            assert all(problem.hint and problem.where for problem in error.problems)
    assert 20 < read < 100
