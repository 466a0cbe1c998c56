"""The guestbook itself: what its API and page answer, and that neither loses a request when it stops."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .guestbook import GUESTBOOK, Server, migrate, running


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "guestbook.db"
    migrate(path)
    return path


@pytest.fixture
def api(database: Path) -> Iterator[Server]:
    with running("api", DATABASE_URL=f"sqlite:///{database}") as server:
        yield server


@pytest.fixture
def web(api: Server) -> Iterator[Server]:
    with running("web", API_URL=f"http://127.0.0.1:{api.port}") as server:
        yield server


def test_entries_are_kept_and_listed_newest_first(api: Server) -> None:
    assert api.json("GET", "/entries") == (200, [])
    assert api.json("POST", "/entries", {"author": " Ada ", "message": "Hello", "place": "London"})[0] == 201
    assert api.json("POST", "/entries", {"author": "Grace", "message": "Ahoy"})[0] == 201
    status, entries = api.json("GET", "/entries")
    assert status == 200
    assert [(e["author"], e["place"], e["message"]) for e in entries] == [
        ("Grace", "", "Ahoy"),
        ("Ada", "London", "Hello"),
    ]
    assert all(e["created_at"].endswith("Z") for e in entries)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ([], "an object"),
        ({"author": 1, "message": "x"}, "strings"),
        ({"author": None, "message": "x"}, "strings"),
        ({"author": "  ", "message": "x"}, "author is missing"),
        ({"author": "a"}, "message is missing"),
        ({"author": "a", "message": "x" * 501}, "message is longer than 500"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_reason(api: Server, body: object, said: str) -> None:
    status, answer = api.json("POST", "/entries", body)
    assert status == 400
    assert said in answer["error"]
    assert api.json("GET", "/entries") == (200, [])


def test_a_body_over_the_limit_is_refused_unread(api: Server) -> None:
    assert api.json("POST", "/entries", b"x" * 20_000)[0] == 413


def test_a_database_without_its_migrations_is_unhealthy(tmp_path: Path) -> None:
    with running("api", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}") as api:
        assert api.json("GET", "/healthz")[0] == 503
        assert api.healthcheck().returncode == 1


@pytest.mark.parametrize("service", ["api", "web"])
def test_the_health_check_of_the_compose_file_agrees_with_the_server(api: Server, web: Server, service: str) -> None:
    server = {"api": api, "web": web}[service]
    assert server.healthcheck().returncode == 0
    server.terminate()
    done = server.healthcheck()
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_the_page_shows_its_version_and_reaches_the_api(web: Server) -> None:
    version = (GUESTBOOK / "web/version.txt").read_text().strip()
    status, headers, page = web.request("GET", "/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert f'<strong id="version">{version}</strong>' in page.decode()
    assert web.request("GET", "/version")[2].decode().strip() == version
    assert web.json("POST", "/api/entries", {"author": "Ada", "message": "Hello"})[0] == 201
    assert [e["author"] for e in web.json("GET", "/api/entries")[1]] == ["Ada"]
    assert web.json("POST", "/api/entries", {"author": ""}) == (400, {"error": "author is missing"})


def test_everything_the_page_refers_to_is_there(web: Server) -> None:
    page = web.request("GET", "/")[2].decode()
    for path in ("/style.css", "/guestbook.js", "/icon.svg"):
        assert f'"{path}"' in page
        assert web.request("GET", path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/server.py", "/../server.py", "/static/../version.txt", "/%2e%2e/server.py", "//etc/passwd"]
)
def test_no_other_file_can_be_asked_for(web: Server, path: str) -> None:
    assert web.request("GET", path)[0] == 404


def test_the_page_says_so_when_the_api_is_away(api: Server, web: Server) -> None:
    assert api.terminate() == 0
    assert web.json("GET", "/api/entries") == (502, {"error": "the guestbook is not reachable at the moment"})
    assert web.request("GET", "/")[0] == 200


def test_a_stop_answers_what_was_asked_and_ends_idle_connections_at_once(api: Server) -> None:
    idle = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    idle.request("GET", "/entries")
    idle.getresponse().read()
    slow = socket.create_connection(("127.0.0.1", api.port))
    body = b'{"author": "Ada", "message": "half sent"}'
    slow.sendall(b"POST /entries HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
    time.sleep(0.2)
    began = time.monotonic()
    stopper = threading.Thread(target=api.terminate)
    stopper.start()
    time.sleep(0.3)
    slow.sendall(body[10:])
    assert slow.recv(100).startswith(b"HTTP/1.1 201 ")
    stopper.join()
    assert api.process.returncode == 0
    assert time.monotonic() - began < 3


def test_a_stop_answers_requests_that_wait_to_be_accepted(api: Server) -> None:
    api.process.send_signal(signal.SIGSTOP)  # connections now queue in the kernel
    waiting = [socket.create_connection(("127.0.0.1", api.port), timeout=10) for _ in range(20)]
    for connection in waiting:
        connection.sendall(b"GET /entries HTTP/1.1\r\nHost: x\r\n\r\n")
    api.process.send_signal(signal.SIGTERM)
    api.process.send_signal(signal.SIGCONT)
    answers = [connection.recv(1000) for connection in waiting]
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 20
    assert all(b"Connection: close" in answer for answer in answers)
    assert api.process.wait(timeout=5) == 0


def test_both_services_carry_the_same_copy_of_what_they_share() -> None:
    """Each image is built from its own folder, so each has its copy."""
    for name in ("serving.py", "healthcheck.py", "Dockerfile", ".dockerignore"):
        assert (GUESTBOOK / "api" / name).read_bytes() == (GUESTBOOK / "web" / name).read_bytes()
