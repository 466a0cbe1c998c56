"""A project on three hosts that costs little to deploy, and can be stopped exactly at a step."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.fleet import COMMAND, Fleet
from tests.testbed import handles
from tests.testbed.registry import Registry, from_environment

COMPOSE = """\
services:
  web:
    build: ./web
    ports: ["8080:8000"]
    restart: always
    environment: {APP_TERM: drain}
    healthcheck:
      test: [CMD, python3, -ISc, "import socket as s; c = s.create_connection(('127.0.0.1', 8000), 2); c.settimeout(2);
        c.send(b'GET /health HTTP/1.0\\\\r\\\\n\\\\r\\\\n'); assert b' 200 ' in c.recv(99)"]
      interval: 20s
      start_interval: 1s
      timeout: 20s
      retries: 2
      start_period: @START@
    stop_grace_period: 2s
  worker:
    image: app:1
    environment: {APP_VERSION: "@VERSION@"}
    command: [sh, -c, "trap 'exit 0' TERM; sleep 1000000 & wait"]
    restart: always
    stop_grace_period: 1s
    volumes: ["jobs:/jobs"]
    deploy: {update_config: {monitor: 500ms}}@EXTRA@
volumes: {jobs: {}}
"""
CONFIG = """\
project: {name: @NAME@@REGISTRY@}
services: {@SERVICES@}
environments:
  prod:
    runtime: compose
    state: @STATE@
    proxy: haproxy
    env_file: .env.prod
    rollout: {soak: 1s, keep: 2}
    hosts: {app: [@HOSTS@]}
"""
HOOK = '''\
"""Say that an operation is at the place that the test waits for, and hold it there until the test is ready."""

import os
import time
from pathlib import Path

from stagecraft_hookspecs import hookimpl

HERE = Path(__file__).parent


@hookimpl
def stagecraft_on_operation(operation, record, ctx):
    wanted, _, hold = os.environ.get("FAULT_STOP", "").partition(" ")
    if f"{operation.id}={record.status.value}" != wanted or (HERE / "here").exists():
        return
    (HERE / "here").touch()
    ends = time.monotonic() + 60
    while hold and not (HERE / "go").exists() and time.monotonic() < ends:
        time.sleep(0.01)
'''


@dataclass(frozen=True)
class Site(Fleet):
    """The project; `folder` is its checkout, beside which its own temporary folder and other laptops lie.

    Attributes:
        name: The project's name, of its own on the machine's engine.
        state: Its state provider, `local` or `hosts`.
        served: The versions that served, in order; the last one serves.
        usual: What every host held after the first deploy: networks, and containers that are not the project's.
    """

    name: str = "fleet"
    state: str = "local"
    served: list[str] = field(default_factory=list)
    usual: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """Return the environment's folder on a host."""
        return f"/home/{self.hosts[0].user}/.stagecraft/{self.name}/prod"

    @property
    def temporary(self) -> Path:
        """Return the folder for the commands' temporary files."""
        return self.folder.with_name("tmp")

    def prepare(self, version: str, *, broken: str = "", registry: str = "", port: int = 0, proxy: str = "") -> None:
        """Write the project so that the next deploy brings a version, and whatever a fault needs beside it."""
        named = ", ".join(f"{{name: {h.name}, address: {h.address}, user: {h.user}}}" for h in self.hosts)
        config = CONFIG
        values = {"HOSTS": named, "NAME": self.name, "STATE": self.state, "REGISTRY": registry, "SERVICES": proxy}
        for key, value in values.items():
            config = config.replace(f"@{key}@", value)
        self.write("stagecraft.yml", config)
        extra = f'\n    ports: ["{port}:8000"]' if port else ""
        compose = COMPOSE.replace("@EXTRA@", extra).replace("@VERSION@", version)
        if broken:
            # nothing is to be waited for
            compose = compose.replace("interval: 20s", "interval: 1s").replace("@START@", "0s")
        # a probe may take long where everything else runs beside it
        self.write("docker-compose.yml", compose.replace("@START@", "120s"))
        self.write("stagecraft_hooks.py", HOOK)
        self.write(".env.prod", f"FAULT_TOKEN={self.variables.get('FAULT_TOKEN', '')}\n")
        lines = ["FROM app:1", f"ENV APP_VERSION={version}", *([f"ENV APP_BROKEN={broken}"] if broken else [])]
        self.write("web/Dockerfile", "\n".join(lines) + "\n")
        for mark in ("here", "go"):
            (self.folder / mark).unlink(missing_ok=True)
        self.temporary.mkdir(exist_ok=True)

    def environment(self) -> dict[str, str]:
        """Return a command's variables; its temporary files lie where they can be counted."""
        return {**super().environment(), "TMPDIR": str(self.temporary)}

    def begin(self, *arguments: str, stop: str = "", output: Path) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, its output in a file; `stop` is what the project's hook waits for."""
        with output.open("wb") as file:
            return subprocess.Popen(
                [*COMMAND, *arguments, "-e", "prod"],
                cwd=self.folder,
                env={**self.environment(), "FAULT_STOP": stop},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def call(self, *arguments: str, timeout: float = 240.0) -> tuple[int, str]:
        """Run a command to its end; return exit code and output, -1 when it did not end in time."""
        try:
            done = subprocess.run(
                [*COMMAND, *arguments, "-e", "prod"],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as slow:
            return -1, (slow.stdout or b"").decode(errors="replace") if isinstance(slow.stdout, bytes) else ""
        return done.returncode, done.stdout + done.stderr

    def laptop(self) -> Site:
        """Return another checkout of the project as it is now, with its history."""
        other = self.folder.with_name("laptop")
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(self.folder, other, ignore=shutil.ignore_patterns("here", "go", "lock"))
        return Site(other, self.hosts, self.variables, self.name, self.state)

    def forget(self) -> None:
        """Empty the hosts of all but images, and the project of its history."""
        for host in self.hosts:
            handles.clean(host)
        for path in (self.folder, self.temporary):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self.served.clear()
        self.usual.clear()

    def registries(self) -> tuple[Registry, Registry]:
        """Return the open and the closed registry of the testbed."""
        return from_environment(self.hosts[0].layout, dict(os.environ))
