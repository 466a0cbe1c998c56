"""A laboratory: a real HAProxy in a container, real applications behind it, asked from outside."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Route
from stagecraft_hookspecs.values import LOCAL

from tests.testbed import images

APP = Path(__file__).parents[3] / "tests" / "load" / "app.py"


def _load(name: str) -> ModuleType:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"stagecraft_haproxy_test_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


driver = _load("driver")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def docker(*argv: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *argv], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).strip()


@attrs.define
class Lab:
    """One environment on this machine, with a proxy and applications."""

    root: Path
    project: str
    port: int = attrs.field(factory=free_port)
    ctx: Any = None
    apps: dict[str, str] = attrs.field(factory=dict)
    extra: list[str] = attrs.field(factory=list)

    @property
    def container(self) -> str:
        return f"{self.project}.prod.haproxy"

    @property
    def folder(self) -> Path:
        return Path(self.ctx.home()) / "proxy"

    @property
    def config(self) -> str:
        return (self.folder / "haproxy.cfg").read_text()

    def proxy(self, **config: Any) -> Any:
        return driver.Haproxy(driver.Config(**config))

    def context(self, project: str = "") -> Any:
        return driver.LocalContext(self.root, project or self.project)

    def app(self, version: str, **env: str) -> Endpoint:
        """Start an application in a container and return where it answers."""
        settings = [word for pair in env.items() for word in ("-e", "=".join(pair))]
        mount = f"{APP}:/app.py:ro"
        words = ("-v", mount, *settings, "python:3.11-slim", "/usr/bin/python3", "/app.py", "8000", version)
        name = f"{self.project}-{version}-{uuid.uuid4().hex[:4]}"
        docker("run", "-d", "--name", name, "--label", f"test={self.project}", *words)
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
        self.apps[address] = name
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((address, 8000), 1).close()
                return Endpoint(address, 8000, name)
            except OSError:
                assert time.monotonic() < deadline, docker("logs", name)
                time.sleep(0.05)

    def stop(self, target: Endpoint) -> None:
        """End an application as a runtime does."""
        docker("rm", "-f", self.apps.pop(target.address))

    def route(self, *targets: Endpoint, **more: Any) -> Route:
        given: dict[str, Any] = {"id": "web", "service": "web", "listen": self.port, "port": 8000, **more}
        return Route(**given, targets=tuple(sorted(targets)))

    def ensure(self, *routes: Route) -> None:
        self.proxy().ensure(self.ctx, LOCAL, routes)

    def switch(self, *routes: Route) -> None:
        try:
            self.proxy().switch(self.ctx, LOCAL, routes)
        except ProviderError as error:
            error.add_note(f"{error.detail}\n{self.ctx.logged}")
            raise

    def serving(self) -> dict[str, tuple[str, ...]]:
        return dict(self.proxy().serving(self.ctx, LOCAL))

    def drain(self, *targets: Endpoint, deadline: float = 10.0) -> tuple[Endpoint, ...]:
        left: tuple[Endpoint, ...] = self.proxy().drain(self.ctx, LOCAL, targets, deadline)
        return left

    def get(
        self, path: str = "/", *, port: int = 0, method: str = "GET", data: bytes | None = None, **headers: str
    ) -> Any:
        """Ask through the proxy; return status, headers and text. Redirects are not followed."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        request = urllib.request.Request(url, method=method, data=data, headers=names)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=15) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def workers(self) -> list[str]:
        """The process ids of HAProxy's workers, as the engine sees them."""
        rows = docker("top", self.container, "-o", "pid,ppid,args").splitlines()[1:]
        master = min(int(row.split()[0]) for row in rows)
        return sorted(row.split()[0] for row in rows if row.split()[1] == str(master))

    def killed(self, step: str, routes: tuple[Route, ...], at: int) -> subprocess.CompletedProcess[str]:
        """Run a step in a process that dies before its effect number ``at``; 0 lets it live and count them."""
        path = self.root / "spec.json"
        spec = {"root": str(self.root), "project": self.project, "step": step, "die_at": at}
        path.write_text(json.dumps({**spec, "routes": [attrs.asdict(r) for r in routes]}))
        argv = [sys.executable, driver.__file__, str(path)]
        return subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="session")
def parts() -> None:
    images.ensure("python:3.11-slim", "haproxy:3.0")


@pytest.fixture
def lab(tmp_path: Path, parts: None) -> Iterator[Lab]:
    lab = Lab(tmp_path, f"t{uuid.uuid4().hex[:8]}")
    lab.ctx = lab.context()
    yield lab
    left = docker("ps", "-aq", "--filter", f"label=test={lab.project}").split()
    names = [lab.container, f"{lab.container}.check", *left, *lab.extra]
    docker("rm", "-f", *names, check=False)
