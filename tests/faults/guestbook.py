"""The real commands as subjects: deploy and rollback of examples/guestbook with the embedded runtime.

One project is used for many faults, one after the other, for each leaves either a release that serves or one that the next run
brings to an end. What serves is asked over HTTP, what is kept is read by ``reader``; Stagecraft's own reports are not believed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults import reader
from tests.faults.calls import Outcome
from tests.faults.subject import Subject

EXAMPLE = Path(__file__).parents[2] / "examples" / "guestbook"
STATE = ".stagecraft"
HOME = f"{STATE}/run/local"
#: How a user goes on after a fault; taken in turns.
WAYS = (("deploy", "--resume"), ("deploy", "--abort"), ("deploy",))


def deploy_subject() -> Subject:
    """Return ``stagecraft deploy`` of a further version over one that serves."""
    return _subject("deploy", "deploy")


def rollback_subject() -> Subject:
    """Return ``stagecraft rollback`` from the version that serves to the one before."""
    return _subject("rollback", "rollback")


def _subject(name: str, command: str) -> Subject:
    return Subject(
        name,
        argv=lambda root: _argv(root, command),
        prepare=_prepare,
        verify=_verify,
        converge=_converge,
        ready=lambda root: _ready(root, command),
        cleanup=_cleanup,
        ignore=("run",),
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        reuse=40,
        timeout=120,
    )


def _argv(root: Path, command: str) -> tuple[str, ...]:
    words = (sys.executable, "-m", "stagecraft", command, "-e", "local")
    return (*words, "-v", _wanted(root)) if command == "deploy" else words


def _prepare(root: Path) -> None:
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("__pycache__", STATE, "data"), dirs_exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    compose = root / "docker-compose.yml"
    compose.write_text(compose.read_text().replace("${GUESTBOOK_PORT:-8080}", str(port)))
    (root / "faults.json").write_text(json.dumps({"port": port, "version": 0, "turn": 0, "before": {}}))
    for _ in range(2):
        _next_version(root)
        _must(root, "deploy")


def _ready(root: Path, command: str) -> None:
    """Make something to deploy, or something to go back to, and note what is promised to be kept."""
    _next_version(root)
    if command == "rollback":
        _must(root, "deploy")
    _note(root, before=reader.read(root / STATE).releases)


def _verify(root: Path, outcome: Outcome) -> list[str]:
    """Return the releases that were complete before and are not as they were, and whether anything serves."""
    kept, wrong = reader.read(root / STATE), []
    for release, row in _noted(root)["before"].items():
        if kept.releases.get(release) != row:
            wrong.append(f"{release} is lost or changed")
    if not outcome.exit_code and not _complete(_newest(kept.releases)):
        wrong.append("it reported success, and the newest release is not complete")
    served = _served(root)
    if served not in {row["version"] for row in kept.releases.values()}:
        wrong.append(f"what serves is {served!r}")
    return wrong


def _converge(root: Path) -> list[str]:
    """Go on in one of the ways; return what is wrong then."""
    turn = _noted(root)["turn"]
    _note(root, turn=turn + 1)
    way = WAYS[turn % len(WAYS)]
    done = _run(root, *way)
    what = f"`{' '.join(way)}`"
    finished = "there is no interrupted run to resume" in done.stderr
    if done.returncode and not finished:
        return [f"{what} failed with {done.returncode}: {done.stderr.strip()}"]
    kept = reader.read(root / STATE)
    newest, wrong = _newest(kept.releases), []
    if not _complete(newest) and not newest["undone"]:
        wrong.append(f"after {what} {newest['id']} is neither complete nor undone")
    last = _newest({i: row for i, row in kept.releases.items() if _complete(row)})
    if _served(root) != last["version"]:
        wrong.append(f"after {what} {_served(root)!r} serves instead of {last['version']!r} of {last['id']}")
    if kept.copy != kept.releases:
        wrong.append(f"after {what} the last good copy is behind")
    return wrong


def _cleanup(root: Path) -> None:
    home = root / HOME
    if home.exists():
        subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False, capture_output=True)


def _complete(row: Mapping[str, Any]) -> bool:
    return not row["error"] and set(row["phases"].values()) <= {"completed", "skipped"}


def _newest(releases: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return max(releases.values(), key=lambda row: int(row["serial"]))


def _served(root: Path) -> str:
    """Return the version that the page itself names, or why it does not."""
    url = f"http://127.0.0.1:{_noted(root)['port']}/version"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return str(answer.read().decode().strip())
    except OSError as e:
        return f"nothing ({e})"


def _wanted(root: Path) -> str:
    return str(_noted(root)["version"])


def _next_version(root: Path) -> None:
    version = _noted(root)["version"] + 1
    (root / "web" / "version.txt").write_text(f"{version}\n")
    _note(root, version=version)


def _must(root: Path, command: str) -> None:
    done = _run(root, command)
    if done.returncode:
        raise RuntimeError(f"{command} without a fault failed: {done.stderr or done.stdout}")


def _run(root: Path, command: str, *flags: str) -> subprocess.CompletedProcess[str]:
    words = _argv(root, command) if not flags else (*_argv(root, command)[:6], *flags)
    env = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    return subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=120)


def _noted(root: Path) -> dict[str, Any]:
    noted: dict[str, Any] = json.loads((root / "faults.json").read_text())
    return noted


def _note(root: Path, **more: Any) -> None:
    (root / "faults.json").write_text(json.dumps({**_noted(root), **more}))
