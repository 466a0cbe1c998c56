"""The application that tests deploy: what it answers, how it ends, and that a proxy can stand before it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testbed import images
from tests.testbed.databases import free_port
from tests.testbed.fixtures import *  # noqa: F403  fixtures
from tests.testbed.handles import TestHost
from tests.testbed.processes import wait_until

APP = Path(__file__).parent / "app/app.py"


@contextmanager
def running(**settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the application here; yield its process and port once it listens, or has ended."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "APP_VERSION": "7", **settings}
    with subprocess.Popen([sys.executable, str(APP)], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process, port
        finally:
            process.kill()


def ask(port: int, method: str, path: str, body: bytes | None = None, host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_what_it_answers() -> None:
    with running(SECRET="do not tell") as (_, port):
        assert ask(port, "GET", "/") == (200, b"7\n")
        assert ask(port, "POST", "/echo", b"x" * 100_000) == (200, b"x" * 100_000)
        assert ask(port, "GET", "/health") == (200, b"ok\n")
        assert ask(port, "GET", "/stream?n=3&s=0.01") == (200, b"7 0\n7 1\n7 2\nend\n")
        status, names = ask(port, "GET", "/env")
        assert (status, set(json.loads(names))) >= (200, {"SECRET", "PORT"})
        assert b"do not tell" not in names
        assert ask(port, "GET", "/nothing")[0] == 404


def test_a_websocket_echoes_and_is_closed_in_order() -> None:
    with running() as (process, port), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        key = base64.b64encode(b"0123456789abcdef").decode()
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")
        connection.sendall(b"\x81\x82\x01\x02\x03\x04" + bytes([ord("h") ^ 1, ord("i") ^ 2]))
        assert connection.recv(16) == b"\x81\x02hi"
        process.send_signal(signal.SIGTERM)
        assert connection.recv(16) == b"\x88\x02\x03\xe9"
        assert process.wait(timeout=10) == 0


def test_on_sigterm_it_finishes_what_is_under_way() -> None:
    with running() as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/slow?s=0.5", b"all of it")
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert connection.getresponse().read() == b"all of it"
        assert process.wait(timeout=10) == 0


def test_it_can_ignore_sigterm() -> None:
    with running(APP_TERM="ignore") as (process, port):
        process.send_signal(signal.SIGTERM)
        assert ask(port, "GET", "/") == (200, b"7\n")
        assert process.poll() is None


@pytest.mark.parametrize(("broken", "status", "health"), [("health", 200, 503), ("requests", 500, 503)])
def test_it_can_be_broken(broken: str, status: int, health: int) -> None:
    with running(APP_BROKEN=broken) as (_, port):
        assert ask(port, "GET", "/")[0] == status
        assert ask(port, "GET", "/health")[0] == health


def test_it_can_fail_to_start_or_crash_later() -> None:
    with running(APP_BROKEN="start") as (process, _):
        assert process.wait(timeout=10) == 3
    with running(APP_BROKEN="crash", APP_CRASH_AFTER="0.1") as (process, _):
        assert process.wait(timeout=10) == 4


def test_it_can_hang_and_be_slow_to_start() -> None:
    began = time.monotonic()
    with running(APP_BROKEN="hang", APP_START_DELAY="0.5") as (_, port):
        assert time.monotonic() - began > 0.5
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.3)
        connection.request("GET", "/")
        with pytest.raises(TimeoutError):
            connection.getresponse()


@pytest.mark.needs("hosts")
def test_both_versions_serve_behind_haproxy_on_a_host(clean_hosts: tuple[TestHost, ...]) -> None:
    host = clean_hosts[0]
    images.put(host, "app:1", "app:2", "haproxy:3.0")
    host.docker("network", "create", "front")
    for version in ("1", "2"):
        host.docker("run", "-d", "--name", f"app{version}", "--network", "front", f"app:{version}")
    host.sh(
        "mkdir -p /srv/proxy && cat >/srv/proxy/haproxy.cfg",
        stdin="defaults\n mode http\n timeout connect 2s\n timeout client 5s\n timeout server 5s\n"
        "frontend in\n bind :80\n default_backend app\n"
        "backend app\n server one app1:8000 check inter 100ms\n server two app2:8000 check inter 100ms\n",
    )
    mount = "/srv/proxy:/usr/local/etc/haproxy:ro"
    host.docker("run", "-d", "--name", "proxy", "--network", "front", "-p", "80:80", "-v", mount, "haproxy:3.0")

    def answers() -> set[bytes]:
        try:
            return {ask(80, "GET", "/", host=host.address)[1] for _ in range(4)}
        except OSError:
            return set()

    assert wait_until(lambda: answers() == {b"1\n", b"2\n"}, 20), host.docker("logs", "proxy")
    host.docker("stop", "-t", "10", "proxy")
    assert host.docker("inspect", "--format", "{{.State.ExitCode}}", "proxy") == "0\n"
