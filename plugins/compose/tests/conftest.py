"""A laboratory: one compose project of the test's own on the real engine, looked at through Docker and HTTP directly."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

DRIVER = Path(__file__).parent / "driver.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stagecraft_compose_test_driver", DRIVER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


driver = _load()

#: A page by busybox that ends at once on SIGTERM and says in its log what it serves.
SERVE = "mkdir -p /w; echo $V > /w/index.html; echo serving $V; trap 'exit 0' TERM; httpd -f -p 8000 -h /w & wait"


def page(version: str, port: int = 0, **more: Any) -> dict[str, Any]:
    """A service that serves its version, healthy within a fraction of a second."""
    definition: dict[str, Any] = {
        "image": "busybox",
        "command": ["sh", "-c", SERVE],
        "environment": {"V": version},
        "healthcheck": {
            "test": ["CMD", "wget", "-qO-", "http://127.0.0.1:8000/"],
            "interval": "1s",
            "timeout": "2s",
            "retries": 2,
            "start_period": "5s",
            "start_interval": "100ms",
        },
        "stop_grace_period": "3s",
        "networks": {"default": None},
    }
    if port:
        definition["ports"] = [{"mode": "ingress", "target": 8000, "published": str(port), "protocol": "tcp"}]
    return {**definition, **more}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@attrs.define
class Lab:
    """Deploy releases of one project and look at what came of them."""

    root: Path
    project: str
    port: int = attrs.field(factory=free_port)
    secrets: dict[str, str] = attrs.field(factory=dict)
    folder: Any = None
    last: str = ""
    context: Any = None

    @property
    def name(self) -> str:
        return f"{self.project}-prod"

    def spec(self, release: str, services: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        base = {"root": str(self.root), "project": self.project, "environment": "prod", "release": release}
        default = {"networks": {"default": {"name": f"{self.project}_default", "ipam": {}}}}
        values = {"previous": self.last, "services": dict(services), "secret_values": self.secrets}
        return {**base, **default, **values, **more}

    def runtime(self, **config: Any) -> Any:
        from stagecraft_compose.config import Config

        return driver.Compose(Config(**config))

    def run(self, spec: Mapping[str, Any], *steps: str) -> list[Any]:
        self.context = driver.LocalContext(self.root, self.project, "prod", self.secrets)
        target, runtime = driver.target_of(spec, self.folder), driver.Compose()
        return [getattr(runtime, step)(self.context, target) for step in steps]

    def deploy(self, release: str, services: Mapping[str, Any], **more: Any) -> Any:
        """Deploy to the end and return what prepare said."""
        prepared, *_ = self.run(self.spec(release, services, **more), "prepare", "switch", "retire")
        self.last = release
        return prepared

    def observe(self) -> Any:
        ctx = driver.LocalContext(self.root, self.project, "prod", self.secrets)
        return driver.Compose().observe(ctx, driver.LOCAL)

    def get(self, path: str = "/", timeout: float = 5.0) -> str:
        """Return what the published port answers, as soon as it does."""
        until = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                    return str(answer.read().decode().strip())
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def ps(self, *, all: bool = True) -> list[dict[str, str]]:
        """What ``docker ps`` says, one-off containers included, oldest first."""
        flags = ["-a"] if all else []
        label = f"label=com.docker.compose.project={self.name}"
        argv = ["docker", "ps", *flags, "--no-trunc", "--filter", label, "--format", "{{json .}}"]
        lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        return [json.loads(line) for line in lines][::-1]

    def states(self) -> dict[str, list[str]]:
        """Service to the states of its containers, sorted."""
        found: dict[str, list[str]] = {}
        for row in self.ps():
            labels = dict(pair.partition("=")[::2] for pair in row["Labels"].split(","))
            found.setdefault(labels["com.docker.compose.service"], []).append(row["State"])
        return {name: sorted(states) for name, states in sorted(found.items())}

    def ids(self, *, all: bool = False) -> set[str]:
        return {row["ID"] for row in self.ps(all=all)}

    def docker(self, *argv: str) -> str:
        done = subprocess.run(["docker", *argv], capture_output=True, text=True, check=True)
        return (done.stdout + done.stderr).strip()

    def start(self, spec: Mapping[str, Any], *steps: str) -> subprocess.Popen[str]:
        """Run steps in a process of their own, which a test may kill."""
        path = self.root / f"spec-{uuid.uuid4().hex[:8]}.json"
        path.write_text(json.dumps(spec))
        argv = [sys.executable, str(DRIVER), str(path), *steps]
        return subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def clean(self) -> None:
        rows = self.ps()
        if rows:
            subprocess.run(["docker", "rm", "-fv", *(r["ID"] for r in rows)], capture_output=True)
        for kind in ("network", "volume"):
            listed = self.docker(kind, "ls", "-q", "--filter", f"label=com.docker.compose.project={self.name}").split()
            if listed:
                subprocess.run(["docker", kind, "rm", *listed], capture_output=True)
        tags = self.docker(
            "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={self.project}*/*"
        )
        if tags:
            subprocess.run(["docker", "image", "rm", *tags.split()], capture_output=True)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, f"sct{uuid.uuid4().hex[:10]}")
    yield made
    made.clean()
