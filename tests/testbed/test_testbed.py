"""What an engine of the testbed can do, and what its images hold."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.testbed import images


@pytest.mark.needs("docker")
def test_a_published_port_answers_on_loopback() -> None:
    images.ensure("busybox:latest")
    serve = "mkdir /w && echo hello from inside >/w/index.html && exec httpd -f -p 8080 -h /w"
    name = _docker("run", "-d", "--init", "-p", "127.0.0.1::8080", "busybox:latest", "sh", "-c", serve)
    try:
        address = _docker("port", name, "8080")
        assert address.startswith("127.0.0.1:")
        assert _fetch(f"http://{address}/") == "hello from inside\n"
    finally:
        _docker("rm", "-f", name)


@pytest.mark.needs("docker")
def test_compose_builds_and_one_service_finds_another_by_name(tmp_path: Path) -> None:
    images.ensure("busybox:latest", "python:3.11-slim")
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim\nWORKDIR /w\nRUN echo made in a build > index.html\n")
    services = {
        "web": {
            "build": ".",
            "command": ["python", "-m", "http.server", "8000"],
            "healthcheck": {
                "test": ["CMD", "python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8000))"],
                "interval": "10s",
                "start_period": "10s",
                "start_interval": "100ms",
            },
        },
        "peer": {"image": "busybox:latest", "command": "sleep 1000", "init": True},
    }
    file = tmp_path / "compose.yml"
    file.write_text(json.dumps({"name": f"testbed-{os.getpid()}", "services": services}))
    try:
        _docker("compose", "-f", str(file), "up", "-d", "--wait")
        assert _docker("compose", "-f", str(file), "exec", "-T", "peer", "wget", "-qO-", "http://web:8000/") == (
            "made in a build"
        )
    finally:
        _docker("compose", "-f", str(file), "down", "-t", "0", "--rmi", "local")


@pytest.mark.needs("docker")
@pytest.mark.parametrize(
    ("tag", "command", "says"),
    [
        (
            "python:3.11-slim",
            "python -c 'import ssl, sqlite3, venv, sys; print(sys.version)' && pip --version",
            "3.11.",
        ),
        ("node:22-slim", "node --version && npm --version", "v22."),
        ("redis:7", "redis-server --version", "v=7."),
        ("alpine:latest", "busybox", "BusyBox v1."),
    ],
)
def test_an_image_holds_what_its_name_promises(tag: str, command: str, says: str) -> None:
    images.ensure(tag)
    assert says in _docker("run", "--rm", tag, "sh", "-c", command)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _fetch(url: str) -> str:
    end = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
