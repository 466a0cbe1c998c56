"""A project on disk, a Context in a few lines, and a whole deploy as the kernel would do it: for real, on loopback."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import NotFound
from stagecraft_hookspecs.phases import PhaseRun
from stagecraft_hookspecs.runtime import Deployment, Draft, Instance, Order, Prepared, Service, Target, Update
from stagecraft_hookspecs.values import LOCAL, Build, Host, Image, Phase, Release, Secret

from stagecraft_process import plugin, runtime, stop

APP = """
    import json, os, sys, threading, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, text, status=200):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/env":
                self.answer(json.dumps(dict(os.environ)))
            elif self.path == "/pid":
                self.answer(str(os.getpid()))
            elif self.path.startswith("/slow"):
                time.sleep(float(self.path.partition("=")[2]))
                self.answer("slow " + VERSION)
            elif self.path == "/crash":
                os._exit(3)
            else:
                self.answer(VERSION)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(VERSION + " " + body.decode())

        def log_message(self, *args):
            print("request", self.path, flush=True)

    VERSION = "@VERSION@"

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    print("listening", VERSION, flush=True)
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Folder:
    """Show the project's files to the pure half."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def glob(self, pattern: str) -> tuple[str, ...]:
        return tuple(sorted(str(p.relative_to(self.root)) for p in self.root.glob(pattern)))


class Machine:
    host = LOCAL

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(target.name + ".tmp")
        new.write_bytes(data)
        new.chmod(mode)
        new.replace(target)

    def remove(self, path: str) -> None:
        subprocess.run(["rm", "-rf", "--", path], check=True)


class Context:
    """Implement what this plugin uses of the Context protocol."""

    project, environment = "shop", "local"

    def __init__(self, root: Path, secrets: dict[str, str]) -> None:
        self.root, self.secrets, self.said = root, secrets, list[str]()

    def machine(self, host: Host = LOCAL) -> Machine:
        return Machine()

    def home(self, host: Host = LOCAL) -> str:
        return str(self.root / ".stagecraft" / "local")

    def fill(self, text: str) -> Secret:
        def one(match: re.Match[str]) -> str:
            if match[1] not in self.secrets:
                raise NotFound("secret", match[1], self.secrets)
            return self.secrets[match[1]]

        return Secret("text", re.sub(r"<secret:([^>]+)>", one, text))

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.said.append(message)

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        pass

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()


@attrs.define
class Project:
    """Deploy a project in a folder of its own, step by step or as a whole."""

    root: Path
    secrets: dict[str, str] = attrs.field(factory=dict)
    services: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    count: int = 0
    last: Target | None = None
    start_timeout: float = 10.0

    @property
    def ctx(self) -> Context:
        return Context(self.root, self.secrets)

    @property
    def home(self) -> Path:
        return Path(self.ctx.home())

    @property
    def runtime(self) -> runtime.Process:
        return runtime.Process(runtime.ProcessConfig(start_timeout=self.start_timeout))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(textwrap.dedent(text).lstrip("\n"))

    def app(self, version: str, folder: str = "api") -> None:
        self.write(f"{folder}/app.py", APP.replace("@VERSION@", version))

    def service(self, name: str, **definition: Any) -> None:
        """Add a service in compose's normal form; with a ``build`` unless ``build=None``."""
        base = {"command": [sys.executable, "app.py"], "entrypoint": None, "build": {"context": name}}
        merged = base | definition
        self.services[name] = {k: v for k, v in merged.items() if not (k == "build" and v is None)}

    def deployment(self, release: str = "") -> Deployment:
        services = []
        for name, definition in sorted(self.services.items()):
            build = definition.get("build")
            deploy = definition.get("deploy") or {}
            order = deploy.get("update_config", {}).get("order")
            services.append(
                Service(
                    name,
                    definition,
                    ("local",),
                    deploy.get("replicas", 1),
                    Image(f"shop/{name}"),
                    build and Build(name, context=build["context"]),
                    # long enough for a command to fail at once, on a busy machine too
                    Update(Order(order) if order else None, monitor=0.05 if definition.get("ports") else 0.6),
                )
            )
        return Deployment("shop", "local", tuple(services), (LOCAL,), {}, Folder(self.root), release, str(self.root))

    def render(self) -> Draft:
        return runtime.ProcessRenderer().render(self.deployment())

    def build(self) -> Target:
        """Do the build phase of a next release and return the target of its rollout."""
        self.count += 1
        release = f"rel-20260101-00000000{self.count}"
        draft = self.render()
        run = PhaseRun(Phase.BUILD, Release(release, self.count, "local", str(self.count)), draft.operations)
        performers = plugin.stagecraft_build(run, self.ctx)
        results = [performers[o.action](o, self.ctx) for o in draft.operations]
        digests = {r["service"]: r["digest"] for r in results}
        deployment = self.deployment(release)
        services = tuple(
            attrs.evolve(s, image=Image(f"shop/{s.name}", digests.get(s.name, ""))) for s in deployment.services
        )
        previous = self.last.deployment.release_id if self.last else ""
        deployment = attrs.evolve(deployment, services=services)
        return Target(LOCAL, deployment, draft.files["local"], draft.policies, previous)

    def deploy(self) -> Prepared:
        """Do all of a deploy: build, prepare, switch, retire; undone if it fails."""
        target = self.build()
        try:
            prepared = self.runtime.prepare(self.ctx, target)
            self.runtime.switch(self.ctx, target)
        except Exception:
            self.runtime.undo(self.ctx, target)
            raise
        self.runtime.retire(self.ctx, target)
        self.last = target
        return prepared

    def observe(self) -> tuple[Instance, ...]:
        return self.runtime.observe(self.ctx, LOCAL)

    def supervisor(self) -> int:
        return int((self.home / "supervisor.lock").read_text())

    def stop(self) -> None:
        assert stop.main([str(self.home)]) == 0

    def mine(self) -> list[int]:
        """Return the pids of all processes of this project's environment, found without the plugin's help."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.home).encode() in text and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        return sorted(found)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    one = Project(tmp_path)
    yield one
    if one.home.exists():
        one.stop()
        left = one.mine()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "processes were left behind"


@pytest.fixture
def port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def get() -> Callable[..., str]:
    def fetch(port: int, path: str = "/") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    return fetch


@pytest.fixture
def published() -> Callable[..., list[dict[str, Any]]]:
    def entry(port: int, target: int = 8000) -> list[dict[str, Any]]:
        return [
            {"mode": "ingress", "target": target, "published": str(port), "protocol": "tcp", "host_ip": "127.0.0.1"}
        ]

    return entry
