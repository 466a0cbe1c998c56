"""Run the guestbook's two servers as its compose file does, without Stagecraft."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GUESTBOOK = Path(__file__).parents[2] / "examples" / "guestbook"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def migrate(database: Path) -> None:
    """Apply the example's migrations in their order."""
    connection = sqlite3.connect(database)
    for file in sorted((GUESTBOOK / "migrations").glob("*.sql")):
        connection.executescript(file.read_text())
    connection.close()


@dataclass
class Server:
    """One of the two servers, running."""

    folder: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Send one request; a body that is no bytes goes as JSON. Return status, headers by lower-case name, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        connection.close()
        return answer

    def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; return status and the decoded body."""
        status, _, content = self.request(method, path, body)
        return status, json.loads(content)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def healthcheck(self) -> subprocess.CompletedProcess[str]:
        """Run the health check of the compose file beside the server."""
        command = [sys.executable, "healthcheck.py"]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


@contextmanager
def running(service: str, **environment: str) -> Iterator[Server]:
    """Start a service on a free port, wait until it accepts, and end it afterwards."""
    port = free_port()
    folder = GUESTBOOK / service
    env = {**os.environ, "PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    process = subprocess.Popen(
        [sys.executable, "server.py"], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _wait(process, port)
        yield Server(folder, port, env, process)
    finally:
        process.kill()
        process.communicate()


def _wait(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError("the server does not listen")
