"""A URL is read with whatever the host has: each client alone, against a real server."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stagecraft_container_proxy import ask
from stagecraft_container_proxy.contract.context import LocalContext, LocalMachine
from stagecraft_container_proxy.keeper import Keeper
from stagecraft_container_proxy.names import Names
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import LOCAL

BODY = "first line\n\nthird line, ünd\n"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/page?x='$(id)" else 404)
        self.end_headers()
        self.wfile.write(BODY.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(params=["curl", "wget", "python3", "bash"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """Give a host that has one client alone."""
    client = shutil.which(request.param)
    if not client:
        pytest.skip(f"this machine has no {request.param}")
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in {request.param, "sh", "cat"}:
        (folder / tool).symlink_to(os.path.realpath(shutil.which(tool) or tool))
    context = LocalContext(tmp_path, "shop")
    context.here = LocalMachine(tmp_path)
    monkeypatch.setenv("PATH", str(folder))
    return Keeper(context, LOCAL, Names("caddy", "shop", "prod"))


def test_the_body_comes_as_it_is(keeper: Keeper, port: int) -> None:
    assert ask.get(keeper, "127.0.0.1", port, "/page?x='$(id)") == BODY


def test_another_status_and_no_server_are_errors(keeper: Keeper, port: int) -> None:
    for where in ((port, "/none"), (1, "/")):
        with pytest.raises(ProviderError, match="does not answer") as raised:
            ask.get(keeper, "127.0.0.1", *where)
        assert "docker logs" in raised.value.hint
