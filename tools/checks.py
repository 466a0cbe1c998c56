"""Check style, format and types of everything in the checkout."""

from __future__ import annotations

import os
import subprocess
import sys

from tools.bootstrap import ROOT, projects


def run_checks(fix: bool = False) -> int:
    """Run ruff and mypy over the checkout, all of them even after a failure; return 0 if all are content, else 1."""
    ruff = [sys.executable, "-m", "ruff"]
    commands = [
        [*ruff, "check", *(["--fix"] if fix else [])],
        [*ruff, "format", *([] if fix else ["--check"])],
        [sys.executable, "-m", "mypy", "--strict", *typed_paths()],
    ]
    failed = 0
    for command in commands:
        print(f"$ {' '.join(command[2:4])}", flush=True)
        failed += subprocess.run(command, cwd=ROOT, env=mypy_environment(), check=False).returncode != 0
    print(f"{len(commands) - failed} of {len(commands)} checks passed", flush=True)
    return 1 if failed else 0


def typed_paths() -> list[str]:
    """Return what must pass the strict type check, relative to the checkout."""
    packages = [path for folder in projects() for path in sorted(folder.glob("stagecraft*/")) if path.is_dir()]
    extra = ["tests/e2e", "tests/load", "tests/testbed", "tools", "tasks.py", "conftest.py"]
    return [str(path.relative_to(ROOT)) for path in packages] + extra


def mypy_environment() -> dict[str, str]:
    """Return the environment in which mypy finds each distribution's package under its own name."""
    return {**os.environ, "MYPYPATH": os.pathsep.join(str(folder) for folder in projects())}
