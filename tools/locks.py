"""Write the lock files from what the distributions declare.

The one source is their pyproject files; `requirements/*.in` adds the tools of the checkout and versions held back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from tools.bootstrap import ROOT, projects

FOLDER = ROOT / "requirements"
EDITABLE = "editables>=0.5"
"""What hatchling needs to install a folder in editable form without build isolation."""

HEADER = "# Written by `python3 tasks.py lock` for Python 3.11 to 3.13. Any package index will do.\n"


def write_locks(upgrade: bool = False) -> list[Path]:
    """Write `demo.lock` and `dev.lock`, keeping the versions they have unless `upgrade`; return what was written."""
    demo, dev = FOLDER / "demo.lock", FOLDER / "dev.lock"
    declared = [read_pyproject(folder) for folder in projects()]
    _compile(demo, runtime_requirements(declared), [FOLDER / "constraints.in"], upgrade)
    wanted = runtime_requirements(declared) + extra_requirements(declared) + _lines(FOLDER / "dev.in")
    # the demo's versions hold in both, so that the larger environment serves the demo as well
    _compile(dev, wanted, [FOLDER / "constraints.in", demo], upgrade)
    return [demo, dev]


def read_pyproject(folder: Path) -> dict[str, Any]:
    """Return a distribution's pyproject file as data."""
    return tomllib.loads((folder / "pyproject.toml").read_text())


def runtime_requirements(declared: list[dict[str, Any]]) -> list[str]:
    """Return what the distributions need to run and to be built, without one another; sorted."""
    found = {EDITABLE}
    for project in declared:
        found.update(project["project"].get("dependencies", []))
        found.update(project["build-system"]["requires"])
    return sorted(r for r in found if not r.startswith("stagecraft"))


def extra_requirements(declared: list[dict[str, Any]]) -> list[str]:
    """Return what their extras name, without one another; sorted."""
    found: set[str] = set()
    for project in declared:
        for requirements in project["project"].get("optional-dependencies", {}).values():
            found.update(requirements)
    return sorted(r for r in found if not r.startswith("stagecraft"))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _compile(lock: Path, requirements: list[str], constraints: list[Path], upgrade: bool) -> None:
    """Resolve `requirements` with pip-compile; the result has every file's hash, and no index, folder or host."""
    command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--strip-extras"]
    command += ["--allow-unsafe", "--no-header", "--no-annotate", "--no-emit-options", "--no-emit-index-url"]
    command += ["--no-emit-trusted-host", "--no-emit-find-links"]
    command += ["--upgrade"] if upgrade else []
    for path in constraints:
        command += ["--constraint", str(path)]
    with tempfile.TemporaryDirectory() as folder:
        source, draft = Path(folder, "wanted.in"), Path(folder, lock.name)
        source.write_text("\n".join(requirements) + "\n")
        if lock.exists():
            draft.write_text(lock.read_text())
        subprocess.run([*command, "-o", str(draft), str(source)], check=True, cwd=ROOT)
        lock.write_text(HEADER + draft.read_text())
