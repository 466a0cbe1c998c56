"""Show a whole deploy in a minute: the guestbook without Docker, upgraded, rolled back, and left running.

Every command is printed before it is run, and what users see is checked over HTTP after each.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tools.bootstrap import ROOT

EXAMPLE = ROOT / "examples" / "guestbook"
FOLDER = ROOT / ".demo" / "guestbook"
USUAL_PORT = 8080
ENTRY = {"author": "Ada", "message": "Written before the upgrade.", "place": "the demo"}


class DemoError(Exception):
    """A step did not end as it should have."""


def run_demo(folder: Path = FOLDER) -> int:
    """Deploy, post, upgrade, roll back, list; leave it running. Return the exit code."""
    began = time.monotonic()
    if stop_demo(folder, quiet=True):
        return 1
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".stagecraft", "data"))
    try:
        port = choose_port()
        show(folder, port)
    except DemoError as error:
        end_processes(folder)
        print(f"\nerror: {error}\nhint: the demo's files, logs among them, are in {folder}", file=sys.stderr)
        return 1
    print(f"\nThe guestbook is running: http://127.0.0.1:{port}   ({time.monotonic() - began:.0f} s)")
    print(f"Its files are in {folder}; `python3 tasks.py demo-stop` ends it.")
    return 0


def stop_demo(folder: Path = FOLDER, quiet: bool = False) -> int:
    """End the demo's processes and remove its files; return the exit code."""
    if not folder.exists():
        if not quiet:
            print("No demo is running.")
        return 0
    if not end_processes(folder):
        print(f"error: the demo could not be stopped\nhint: see the logs in {home(folder)}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    if not quiet:
        print("The demo has ended, and its files are removed.")
    return 0


def home(folder: Path) -> Path:
    """Return where the embedded runtime keeps the environment `local` of a project."""
    return folder / ".stagecraft" / "run" / "local"


def end_processes(folder: Path) -> bool:
    """End what the embedded runtime runs for the demo; return whether nothing of it is left."""
    if not home(folder).exists():
        return True
    command = [sys.executable, "-m", "stagecraft_process.stop", str(home(folder))]
    return subprocess.run(command, check=False).returncode == 0


def show(folder: Path, port: int) -> None:
    """Go through the steps; raise `DemoError` at the first that fails."""
    url = f"http://127.0.0.1:{port}"
    print(f"$ cd {folder}")
    if port != USUAL_PORT:
        print(f"$ export GUESTBOOK_PORT={port}   # {USUAL_PORT} is taken on this machine")

    say("Deploy the example; the environment `local` runs it as processes, without Docker.")
    stagecraft(folder, port, "deploy", "-e", "local", "-v", "1")
    expect_version(url, "1")

    say("Sign the guestbook.")
    print(f"$ curl {url}/api/entries -d {shlex.quote(json.dumps(ENTRY))}", flush=True)
    status, answer = request(f"{url}/api/entries", ENTRY)
    print(answer.strip())
    if status != 201:
        raise DemoError(f"the entry was answered with HTTP {status}")

    say("Make a second version and deploy it. Only the service that changed is replaced.")
    print("$ echo 2 > web/version.txt", flush=True)
    (folder / "web" / "version.txt").write_text("2\n")
    stagecraft(folder, port, "deploy", "-e", "local", "-v", "2")
    expect_version(url, "2")
    expect_entry(url)

    say("Put the first version back.")
    stagecraft(folder, port, "rollback", "-e", "local")
    expect_version(url, "1")
    expect_entry(url)

    say("See what happened.")
    stagecraft(folder, port, "releases", "list", "-e", "local")


def choose_port() -> int:
    """Return 8080 or, where that is taken, a port that is free."""
    for port in (USUAL_PORT, 0):
        try:
            with socket.create_server(("", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise DemoError("no port is free")


def stagecraft(folder: Path, port: int, *arguments: str) -> None:
    """Print a `stagecraft` command, and run it in the demo's folder."""
    print(f"$ stagecraft {shlex.join(arguments)}", flush=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STAGECRAFT_")}
    environment["GUESTBOOK_PORT"] = str(port)
    command = [str(Path(sys.executable).with_name("stagecraft")), *arguments]
    code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    if code:
        raise DemoError(f"`stagecraft {shlex.join(arguments)}` ended with exit code {code}")


def expect_version(url: str, version: str) -> None:
    """Check which version the page shows."""
    status, answer = request(f"{url}/version")
    print(f"$ curl {url}/version\n{answer.strip()}", flush=True)
    if (status, answer.strip()) != (200, version):
        raise DemoError(
            f"the page should show version {version}, but {url}/version says {answer.strip()} (HTTP {status})"
        )


def expect_entry(url: str) -> None:
    """Check that the entry is still there."""
    status, answer = request(f"{url}/api/entries")
    print(f"$ curl {url}/api/entries\n{answer.strip()}", flush=True)
    entries = json.loads(answer) if status == 200 else []
    if not any({**entry, **ENTRY} == entry for entry in entries):
        raise DemoError(f"the entry is gone: {url}/api/entries says {answer.strip()} (HTTP {status})")


def request(url: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """Send a GET, or a POST of `body` as JSON; return status and text. Nothing is retried."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310, http only
    try:
        # no proxy: the demo is on this machine
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        raise DemoError(f"{url} cannot be reached: {error}") from error


def say(text: str) -> None:
    """Introduce a step."""
    print(f"\n# {text}", flush=True)
