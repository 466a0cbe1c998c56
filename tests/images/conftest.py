"""A context for building images: this machine, some secrets, nothing else; and a registry that lives in memory."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.values import LOCAL, Host, Secret

from stagecraft.machine.local import LocalMachine
from stagecraft.machine.scope import Scope
from tests.testbed.fixtures import *  # noqa: F403
from tests.testbed.fixtures import TestHost

from .engines import store_engine
from .fleet import Fleet


@attrs.frozen
class Context:
    """As much of a context as the images need."""

    root: Path
    here: LocalMachine
    secrets: dict[str, str] = attrs.field(factory=dict)
    said: list[str] = attrs.field(factory=list)

    def machine(self, host: Host = LOCAL) -> LocalMachine:
        return self.here

    def secret(self, name: str) -> Secret:
        return Secret(name, self.secrets[name])

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        self.said.append(message)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(tmp_path, LocalMachine(tmp_path, Scope()))


@pytest.fixture
def tag(ctx: Context) -> Iterator[str]:
    """A name for an image of this test's own; all its images are removed afterwards."""
    name = f"sc-test-{uuid.uuid4().hex[:12]}"
    yield f"{name}/app"
    api = ctx.machine().docker().api
    for image in api.images(filters={"reference": f"*{name}/*"}) + api.images(filters={"reference": f"*/{name}/*"}):
        api.remove_image(image["Id"], force=True)


class Registry(http.server.BaseHTTPRequestHandler):
    """Take pushes and give pulls: as much of the distribution API as the engine uses."""

    protocol_version = "HTTP/1.1"
    store: dict[str, tuple[str, bytes]]
    uploads: dict[str, bytes]
    password = ""
    address = ""
    port = 0
    asked = 0

    def do_GET(self) -> None:
        if not self._allowed():
            return None
        if self.path == "/v2/":
            return self._answer(200)
        kind, data = self.store.get(self.path, ("", b""))
        if not kind:
            return self._answer(404)
        return self._answer(200, data, {"Content-Type": kind, "Docker-Content-Digest": _digest(data)})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        if self._allowed():
            upload = self.path.partition("?")[0].rstrip("/") + "/" + uuid.uuid4().hex
            self.uploads[upload] = b""
            self._answer(202, headers={"Location": upload, "Range": "0-0"})

    def do_PATCH(self) -> None:
        path = self.path.partition("?")[0]
        self.uploads[path] += self._body()
        self._answer(202, headers={"Location": path, "Range": f"0-{len(self.uploads[path]) - 1}"})

    def do_PUT(self) -> None:
        path, body = self.path.partition("?")[0], self._body()
        if path in self.uploads:
            data = self.uploads.pop(path) + body
            blob = path.rpartition("/uploads/")[0] + "/" + _digest(data)
            self.store[blob] = ("application/octet-stream", data)
            return self._answer(201, headers={"Location": blob, "Docker-Content-Digest": _digest(data)})
        kind = self.headers["Content-Type"]
        self.store[path] = self.store[f"{path.rpartition('/')[0]}/{_digest(body)}"] = (kind, body)
        return self._answer(201, headers={"Location": path, "Docker-Content-Digest": _digest(body)})

    def _allowed(self) -> bool:
        type(self).asked += 1
        if self.password and self.headers.get("Authorization") != self.password:
            self._answer(401, headers={"WWW-Authenticate": 'Basic realm="test"'})
            return False
        return True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def registry() -> Iterator[type[Registry]]:
    """A registry on this machine; its address is the class's ``address``."""
    kind = type("OneRegistry", (Registry,), {"store": {}, "uploads": {}})
    server = http.server.ThreadingHTTPServer(
        ("0.0.0.0", 0), kind
    )  # hosts reach it by this machine's address among them
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kind.address, kind.port = f"127.0.0.1:{server.server_port}", server.server_port
    yield kind
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def store(hosts: tuple[TestHost, ...]) -> Iterator[str]:
    """An engine with containerd's image store, on the first host."""
    with store_engine(hosts[0]) as url:
        yield url


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Runs over engines, with images of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Fleet(tmp_path)
    yield made
    made.close()
