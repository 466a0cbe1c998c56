"""Projects with development processes, and `stagecraft dev` run on them as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stagecraft.dev import ports, reaping


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_project(root: Path, **blocks: Any) -> Path:
    """Write a project: each keyword is a key of stagecraft.yml, and may be any JSON-like value."""
    document = {"project": {"name": "shop"}, **blocks}
    (root / "stagecraft.yml").write_text(json.dumps(document, indent=1))
    (root / "docker-compose.yml").write_text("services: {api: {image: a}, web: {image: b}, postgres: {image: c}}\n")
    return root


def python(code: str, **more: Any) -> dict[str, Any]:
    """Return the `dev` block of a Python program."""
    # the log shows the beginning of a command: what the program says must not be found there
    begin = f"# {'-' * 80}\n"
    return {"command": [sys.executable, "-u", "-c", begin + textwrap.dedent(code)], **more}


def generic(dev: Mapping[str, Any] | None, service: str = "api") -> dict[str, Any]:
    block: dict[str, Any] = {"service": service, **({"dev": dev} if dev else {})}
    return {"provider": "generic", "providers": {"generic": block}}


#: Serves its port until it is ended, and says when.
SERVER = """
    import http.server, os, signal, sys
    def end(*_):
        print("ending"); sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler)
    print("serving as", os.getpid())
    server.serve_forever()
"""

#: Says its pid and sleeps.
SLEEPER = "import os, time; print('asleep as', os.getpid()); time.sleep(600)"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "stagecraft", "dev", *words]


def environ(**more: str) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}, **more}


def run(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `stagecraft dev` to its end."""
    return subprocess.run(
        command(*words), cwd=root, env=environ(**env), capture_output=True, text=True, timeout=60, check=False
    )


class Running:
    """Hold a `stagecraft dev` that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, part: str, times: int = 1, timeout: float = 30.0) -> str:
        """Wait for a line that holds a text, for the nth time, and return it."""
        with self._more:
            found = self._more.wait_for(
                lambda: self._over or sum(part in line for line in self.lines) >= times, timeout
            )
            lines = [line for line in self.lines if part in line]
        assert found and len(lines) >= times, f"{part!r} was not said:\n{self.text}"
        return lines[times - 1]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def pid(self, name: str) -> int:
        """Return the pid that a program said last."""
        line = [line for line in self.lines if line.startswith(name) and " as " in line][-1]
        return int(line.rpartition(" ")[2])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(30)
        with self._more:
            self._more.wait_for(lambda: self._over, 5)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()


@contextlib.contextmanager
def running(root: Path, *words: str, **env: str) -> Iterator[Running]:
    """Give a `stagecraft dev` that runs; at the end it is ended, and nothing of it may be left."""
    process = subprocess.Popen(
        command(*words),
        cwd=root,
        env=environ(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def alive(pid: int) -> bool:
    return bool(reaping.start_time(pid))


def left(root: Path, timeout: float = 0.0) -> list[int]:
    """Return the processes that were started in a project and still run; wait for them to end for a while."""
    deadline = time.monotonic() + timeout
    while found := [pid for pid in ports.pids() if _runs_in(pid, root)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return sorted(found)


def _runs_in(pid: int, root: Path) -> bool:
    with contextlib.suppress(OSError):
        return alive(pid) and Path(f"/proc/{pid}/cwd").readlink().is_relative_to(root.resolve())
    return False
