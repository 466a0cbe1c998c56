"""The start of tasks.py with nothing but Python there: a real `.venv` of a small checkout, made without network."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "{name}"
version = "1"
"""
BACKEND = """
import zipfile

NAME = "{name}"

def build_editable(folder, settings=None, metadata=None):
    file = NAME + "-1-py3-none-any.whl"
    info = NAME + "-1.dist-info/"
    with zipfile.ZipFile(folder + "/" + file, "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return file
"""
SCRIPT = """
import sys
from tools import bootstrap
bootstrap.enter(__file__, sys.argv[1:])
print("in", sys.prefix)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of two distributions that need nothing, with the real bootstrap."""
    root = tmp_path / "checkout"
    for folder, name in ((root, "one"), (root / "hookspecs", "two")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text(PYPROJECT.format(name=name))
        (folder / "backend.py").write_text(BACKEND.format(name=name))
    for lock in ("demo", "dev"):
        (root / "requirements").mkdir(exist_ok=True)
        (root / f"requirements/{lock}.lock").write_text("# nothing\n")
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools/bootstrap.py", root / "tools")
    (root / "start.py").write_text(SCRIPT)
    return root


def start(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the script with the machine's Python, not with the one of this environment."""
    python = getattr(sys, "_base_executable", sys.executable)
    # no index can be reached: whatever is fetched fails
    environment = {"PATH": "/usr/bin:/bin", "PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}
    command = [python, "start.py", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_an_environment_is_made_once_and_then_used(checkout: Path) -> None:
    first = start(checkout, "demo")
    assert first.stdout == f"in {checkout}/.venv\n", first.stderr
    assert [line.rsplit(" ... ")[0] for line in first.stderr.splitlines()] == [
        "tasks.py: make .venv",
        "tasks.py: install requirements/demo.lock",
        "tasks.py: install Stagecraft and its plugins",
    ]
    second = start(checkout, "demo")
    assert (second.stdout, second.stderr) == (first.stdout, "")

    larger = start(checkout, "test")
    assert "install requirements/dev.lock" in larger.stderr
    assert "make .venv" not in larger.stderr

    (checkout / "pyproject.toml").write_text(PYPROJECT.format(name="one") + "# changed\n")
    changed = start(checkout, "demo")
    assert [line.rsplit(" ... ")[0] for line in changed.stderr.splitlines()] == [
        "tasks.py: install Stagecraft and its plugins"
    ]

    python = checkout / ".venv/bin/python"
    python.unlink()  # as after a system upgrade
    python.symlink_to("/nonexistent/python3")
    mended = start(checkout, "demo")
    assert "make .venv" in mended.stderr
    assert mended.stdout == first.stdout


def test_without_a_network_the_error_names_the_next_step(checkout: Path) -> None:
    (checkout / "requirements/demo.lock").write_text("nowhere-to-be-found==1 --hash=sha256:" + "0" * 64 + "\n")
    done = start(checkout, "demo")
    assert done.returncode == 1
    assert (
        "error: pip cannot reach a package index, or the index lacks a package\nhint: check the network" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(checkout: Path, module: str) -> None:
    script = f"import sys\nsys.modules[{module!r}] = None\n" + SCRIPT
    (checkout / "start.py").write_text(script)
    done = start(checkout, "demo")
    assert done.returncode == 1
    assert f"has no module `{module}`\nhint: on Debian and Ubuntu, run `apt install python3-venv`" in done.stderr


def test_an_old_python_is_told_so_in_words_it_understands() -> None:
    source = (ROOT / "tasks.py").read_text()
    ast.parse(source, feature_version=(3, 7))  # older ones must get as far as the message
    pretend = f"import sys; sys.version_info = (3, 9, 2); exec(compile({source!r}, 'tasks.py', 'exec'))"
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Stagecraft needs Python 3.11 or newer; this is 3.9 (")
    assert "\nhint: run this file with a newer one" in done.stderr


def test_what_each_task_needs() -> None:
    from tools.bootstrap import set_for

    assert {set_for(words) for words in ([], ["--list"], ["demo"], ["demo-stop"])} == {"demo"}
    assert {set_for(words) for words in (["test"], ["test", "--quick"], ["lint"], ["demo", "test"])} == {"dev"}
