"""The frontend `vite` with the real Vite: its development server on Node, its images on an engine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.values import Project
from stagecraft_vite.config import BuildConfig, DevConfig, ViteConfig
from stagecraft_vite.frontend import Vite

from stagecraft.folder import ProjectFolder
from tests.testbed import images

from .deployed import EXAMPLES

pytestmark = pytest.mark.timeout(300)


@attrs.frozen
class Answer:
    """What came back: status, headers, text."""

    status: int
    headers: Message
    text: str


def get(port: int, path: str = "/", seconds: float = 30.0) -> Answer:
    """Return the answer, as soon as somebody listens."""
    until = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Copy the example's page without its Dockerfile into a project of its own."""
    left_out = shutil.ignore_patterns("node_modules", "dist", "Dockerfile")
    shutil.copytree(EXAMPLES / "basic-node" / "web", tmp_path / "web", ignore=left_out)
    return tmp_path


def project(root: Path) -> Project:
    return Project("shop", "prod", ProjectFolder(root), {"web": {"build": {"context": str(root / "web")}}})


@pytest.mark.needs("node")
def test_the_development_server_serves_the_page(page: Path) -> None:
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=page / "web", check=True, capture_output=True)
    port = free_port()
    (process,) = Vite(ViteConfig(dev=DevConfig(port=port))).dev(project(page))
    assert process.command.cwd == "./web"
    server = subprocess.Popen(
        process.command.argv, cwd=page / process.command.cwd, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        answer = get(process.ready.port, "/")
        assert "<title>Notes</title>" in answer.text
        assert "/@vite/client" in answer.text, "it is the development server"
        taken = subprocess.run(
            process.command.argv, cwd=page / "web", capture_output=True, text=True, timeout=60, check=False
        )
        assert taken.returncode != 0, "a port that is taken is an error, not another port"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@pytest.fixture
def serve(page: Path) -> Iterator[object]:
    """Build the page's image as the kernel would, run it, and return the port on which it serves."""
    started: list[str] = []

    def run(config: BuildConfig) -> int:
        images.ensure(config.builder, config.server)
        build = Vite(ViteConfig(build=config)).build(project(page))
        assert build is not None
        tag = f"stagecraft-test-vite:{uuid.uuid4().hex[:10]}"
        argv = ["docker", "build", "-q", "-t", tag, "-f", "-", build.context]
        argv += [f"--build-arg={name}={value}" for name, value in build.args.items()]
        done = subprocess.run(
            argv, cwd=page, input=build.dockerfile_inline, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        port = free_port()
        publish = f"127.0.0.1:{port}:{config.port}"
        ran = subprocess.run(["docker", "run", "-d", "-p", publish, tag], capture_output=True, text=True, check=True)
        started.extend((ran.stdout.strip(), tag))
        return port

    yield run
    for container, tag in zip(started[::2], started[1::2], strict=True):
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=False)
        subprocess.run(["docker", "image", "rm", "-f", tag], capture_output=True, check=False)


@pytest.mark.needs("docker")
@pytest.mark.parametrize("server", ["nginx:alpine", "caddy:2"])
def test_the_image_serves_the_page(server: str, serve: object, page: Path) -> None:
    assert callable(serve)
    script = page / "web" / "src" / "main.js"
    script.write_text(script.read_text() + "\nconsole.log(import.meta.env.VITE_TITLE);\n")
    port = serve(BuildConfig(server=server, port=8080, args={"VITE_TITLE": "Shop & Co $5"}))
    index = get(port)
    assert index.status == 200
    assert "<title>Notes</title>" in index.text
    asset = index.text.partition('src="')[2].partition('"')[0]
    assert asset.startswith("/assets/index-")
    built = get(port, asset)
    assert built.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Shop & Co $5" in built.text, "build arguments reach the page"
    route = get(port, "/notes/7")
    assert (route.status, route.text) == (200, index.text), "a route of the page's own gives the page"
    assert index.headers["Cache-Control"] == route.headers["Cache-Control"] == "no-cache"
    gone = get(port, "/assets/index-gone.js")
    assert gone.status == 404, "a file of a former release is not the page"
    assert "immutable" not in (gone.headers["Cache-Control"] or "")


@pytest.mark.needs("docker")
@pytest.mark.parametrize("server", ["nginx:alpine", "caddy:2"])
def test_without_a_fallback_unknown_paths_are_not_found(server: str, serve: object) -> None:
    assert callable(serve)
    port = serve(BuildConfig(server=server, fallback=False))
    assert get(port).status == 200
    assert get(port, "/notes/7").status == 404
