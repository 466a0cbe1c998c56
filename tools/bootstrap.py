"""Make the project's own environment in `.venv` and go on inside it. Standard library only: it runs first of all.

Two sets of locked packages: `demo` is what Stagecraft needs to run, `dev` adds what tests and checks need. Each is
installed once; stamps in `.venv` hold the hash of what was installed, so that the next start costs a few milliseconds
and no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

DEMO_TASKS = frozenset({"demo", "demo-stop"})
"""Tasks for which the smaller set is enough; so it is for a mere listing."""


class SetupError(Exception):
    """The environment cannot be made: one sentence, and the next step as `hint`."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def enter(script: str, arguments: list[str]) -> None:
    """Return if this process runs in the finished environment; otherwise finish it and start `script` again in it."""
    kind = set_for(arguments)
    try:
        prepare(kind)
    except SetupError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
    if Path(sys.prefix).resolve() != VENV.resolve():
        sys.stdout.flush()
        os.execv(PYTHON, [str(PYTHON), script, *arguments])  # noqa: S606


def set_for(arguments: list[str]) -> str:
    """Return which set of packages a command line needs: `demo` or `dev`."""
    named = [a for a in arguments if not a.startswith("-")]
    return "demo" if all(name in DEMO_TASKS for name in named) else "dev"


def prepare(kind: str) -> None:
    """Bring `.venv` up to date with the lock file of `kind` and with the distributions of this checkout."""
    if _finished(kind):
        return
    with _locked():
        if not _usable():
            _step("make .venv", _make)
        if not _packages_finished(kind):
            lock = _lock_file(kind)
            _step(f"install {lock.relative_to(ROOT)}", lambda: _pip("--require-hashes", "-r", str(lock)))
            _stamp(kind).write_text(_lock_digest(kind))
        if not _projects_finished():
            editable = [part for folder in projects() for part in ("-e", str(folder))]
            _step("install Stagecraft and its plugins", lambda: _pip("--no-build-isolation", "--no-deps", *editable))
            _stamp("projects").write_text(_projects_digest())


def projects() -> list[Path]:
    """Return the folders of all distributions of this checkout, the contract first."""
    plugins = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
    return [ROOT / "hookspecs", ROOT, *plugins]


def _finished(kind: str) -> bool:
    return PYTHON.exists() and _packages_finished(kind) and _projects_finished()


def _packages_finished(kind: str) -> bool:
    """Say whether the set is installed; `dev` holds all of `demo` at the same versions."""
    kinds = {kind, "dev"}
    return any(_read(_stamp(k)) == _lock_digest(k) for k in sorted(kinds))


def _projects_finished() -> bool:
    return _read(_stamp("projects")) == _projects_digest()


def _stamp(kind: str) -> Path:
    return VENV / f"stagecraft-{kind}.stamp"


def _lock_file(kind: str) -> Path:
    return ROOT / "requirements" / f"{kind}.lock"


def _lock_digest(kind: str) -> str:
    return hashlib.sha256(_lock_file(kind).read_bytes()).hexdigest()


def _projects_digest() -> str:
    """Hash what an editable installation depends on: where the folders are, and their pyproject files."""
    digest = hashlib.sha256()
    for folder in projects():
        digest.update(f"{folder}\0".encode() + (folder / "pyproject.toml").read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _usable() -> bool:
    """Say whether `.venv` has a Python that is new enough and has pip; one that was left half made does not."""
    if not PYTHON.exists():
        return False
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


def _make() -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(
                f"this Python ({sys.executable}) has no module `{module}`",
                "on Debian and Ubuntu, run `apt install python3-venv`, then the same command again",
            )
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(
            f"cannot make {VENV}: {_last_line(done.stdout + done.stderr)}",
            "on Debian and Ubuntu, `apt install python3-venv`; otherwise see that the folder can be written to",
        )


def _pip(*arguments: str) -> None:
    """Run `pip install` in `.venv`, quietly; raise with what it said if it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    sys.stderr.write(said)
    if "do not match the hashes" in said.lower():
        raise SetupError(
            "a downloaded package is not the one that the lock file names",
            "see which one above; if the lock is out of date, `python3 tasks.py lock` renews it",
        )
    if any(sign in said for sign in ("NewConnectionError", "No matching distribution", "ReadTimeout", "ProxyError")):
        raise SetupError(
            "pip cannot reach a package index, or the index lacks a package",
            "check the network and pip's settings with `python3 -m pip download pip`, then run the same command again",
        )
    raise SetupError("pip failed; it says why above", "put that right, then run the same command again")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def _step(name: str, work: object) -> None:
    """Say on stderr what is being done and how long it took."""
    assert callable(work)
    began = time.monotonic()
    print(f"tasks.py: {name} ...", end="", file=sys.stderr, flush=True)
    try:
        work()
    except BaseException:
        print(" failed", file=sys.stderr)
        raise
    print(f" {time.monotonic() - began:.1f} s", file=sys.stderr)


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time change `.venv`; the lock is on the checkout's folder, so that it needs no file."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
