"""When a process counts as ready, and who has a port."""

from __future__ import annotations

import http.server
import os
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from stagecraft_hookspecs.values import Ready

from stagecraft.dev import ports
from stagecraft.dev.readiness import Readiness, answers
from tests.dev.stack import free_port


@pytest.fixture
def server() -> Iterator[Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        status = 500

        def do_GET(self) -> None:
            self.send_response(Handler.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        served.Handler = Handler  # type: ignore[attr-defined]
        yield served
        served.shutdown()


def look(ready: Ready) -> tuple[Readiness, queue.Queue[str]]:
    told: queue.Queue[str] = queue.Queue()
    readiness = Readiness(ready, lambda seconds: told.put("ready"), lambda: told.put("late"))
    readiness.start()
    return readiness, told


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (302, True), (404, True), (500, False), (503, False)])
def test_a_url_that_answers_below_500_is_ready(server: Any, status: int, is_ready: bool) -> None:
    server.Handler.status = status
    assert answers(f"http://127.0.0.1:{server.server_port}/x?y=1") is is_ready


def test_a_url_is_asked_until_it_answers(server: Any) -> None:
    _, told = look(Ready(url=f"http://localhost:{server.server_port}"))
    with pytest.raises(queue.Empty):
        told.get(timeout=0.3)
    server.Handler.status = 200
    assert told.get(timeout=10) == "ready"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "nonsense", "http://localhost:99999/"])
def test_a_url_that_cannot_answer_is_not_ready(url: str) -> None:
    assert answers(url) is False


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_is_found_on_either_address_with_its_owner(family: socket.AddressFamily, address: str) -> None:
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"no {address} here")
    with listener:
        port = listener.getsockname()[1]
        assert ports.taken(port)
        owner = ports.owner(port)
        assert owner.pid == os.getpid() and "python" in owner.command
        _, told = look(Ready(port=port))
        assert told.get(timeout=10) == "ready"


def test_a_free_port_is_not_taken_and_is_waited_for_no_longer_than_said() -> None:
    port = free_port()
    assert not ports.taken(port)
    _, told = look(Ready(port=port, timeout=0.2))
    assert told.get(timeout=10) == "late"


def test_a_line_that_matches_is_ready() -> None:
    readiness, told = look(Ready(line=r"listening on \d+"))
    readiness.see("starting\nlistening on all")
    with pytest.raises(queue.Empty):
        told.get(timeout=0.2)
    readiness.see("ok\nlistening on 80\nmore")
    assert told.get(timeout=10) == "ready"


def test_with_nothing_to_look_at_it_is_ready_at_once() -> None:
    assert look(Ready())[1].get(timeout=10) == "ready"


@pytest.mark.parametrize(
    ("ready", "port"),
    [
        (Ready(port=1), 1),
        (Ready(url="http://localhost:5173/x"), 5173),
        (Ready(url="https://127.0.0.1/"), 443),
        (Ready(url="http://example.com:80"), 0),
        (Ready(url="http://localhost:x"), 0),
        (Ready(line="x"), 0),
    ],
)
def test_which_port_of_this_machine_it_needs(ready: Ready, port: int) -> None:
    assert ports.local_port(ready) == port
