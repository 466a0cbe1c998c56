"""The marker `needs`, seen from outside: a run of pytest over a small project that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

@pytest.mark.needs("postgres")
def test_database(): pass

@pytest.mark.needs("postgres", "mariadb")
def test_both(): pass

def test_plain(): pass
"""


def run_pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in `folder` with the project's plugin, where no database is named unless `environment` does."""
    (folder / "conftest.py").write_text('pytest_plugins = ["tools.needs"]\n')
    settings = (
        f"[pytest]\npythonpath = {ROOT}\nmarkers = needs\naddopts = -q --strict-markers --import-mode=importlib\n"
    )
    (folder / "pytest.ini").write_text(settings)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STAGECRAFT_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def test_what_lacks_its_part_is_skipped_and_listed_with_the_command_that_runs_it(folder: Path) -> None:
    done = run_pytest(folder)
    assert done.returncode == 0
    assert "test_it.py: 2 not run" in done.stdout
    assert "test_database: needs postgres: STAGECRAFT_TEST_POSTGRES is not set" in done.stdout
    assert "to run them too: STAGECRAFT_TESTBED=1 python3 tasks.py test --only test_it.py" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed, 2 skipped")


def test_a_required_part_that_is_missing_is_a_failure(folder: Path) -> None:
    done = run_pytest(folder, STAGECRAFT_REQUIRE="postgres,docker")
    assert done.returncode == 1
    assert "needs postgres, which STAGECRAFT_REQUIRE requires: STAGECRAFT_TEST_POSTGRES is not set" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed, 2 errors")


def test_only_the_parts_that_are_required_fail(folder: Path) -> None:
    done = run_pytest(folder, STAGECRAFT_REQUIRE="node")
    assert done.returncode == 0


def test_a_part_that_does_not_answer_is_missing_though_it_is_named(folder: Path) -> None:
    done = run_pytest(folder, STAGECRAFT_TEST_POSTGRES="postgresql://u@127.0.0.1:1/db")
    assert "no server answers at 127.0.0.1:1" in done.stdout


@pytest.mark.parametrize(("value", "said"), [("postgress", "names postgress; there are"), ("docker,x", "names x;")])
def test_a_wrong_require_is_refused_before_any_test_runs(folder: Path, value: str, said: str) -> None:
    done = run_pytest(folder, STAGECRAFT_REQUIRE=value)
    assert done.returncode == 4
    assert said in done.stderr


@pytest.mark.parametrize("marker", ['needs("docker", "podman")', "needs", "needs()"])
def test_a_wrong_marker_is_refused(folder: Path, marker: str) -> None:
    (folder / "test_it.py").write_text(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): pass\n")
    done = run_pytest(folder)
    assert done.returncode == 4
    assert "test_it.py::test_it: needs(" in done.stdout + done.stderr
