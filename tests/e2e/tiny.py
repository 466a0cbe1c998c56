"""A project as small as one can be that still serves, migrates and is watched: one service, one SQLite file, two runtimes."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import attrs

COMMAND = str(Path(sys.executable).with_name("stagecraft"))

CONFIG = """\
project: {{name: {name}}}
databases:
  main: {{connection_env: DATABASE_URL, migrations: {{engine: raw, path: ./migrations}}}}
environments:
  local: {{runtime: process, env_file: .env}}
  docker: {{runtime: {{provider: compose}}, env_file: .env}}
"""
COMPOSE = """\
services:
  web:
    build: ./web
    command: [python3, server.py]
    environment: {{DATABASE_URL: "sqlite:////data/tiny.db", TOKEN: "${{TOKEN}}", PORT: "8000"}}
    ports: ["127.0.0.1:{port}:8000"]
    volumes: ["./data/${{STAGECRAFT_ENVIRONMENT:-dev}}:/data"]
    healthcheck: {{test: [CMD, python3, health.py], interval: 300ms, timeout: 3s, retries: 3}}
    stop_grace_period: 2s
"""
SERVER = """\
import http.server, os, pathlib, signal, sys

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = pathlib.Path("version.txt").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
HEALTH = """\
import os, urllib.request

try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{os.environ['PORT']}", timeout=2)
except OSError as error:
    raise SystemExit(f"not well: {error}")
"""


@attrs.frozen
class Done:
    """What a command left: exit code, both streams, and the seconds of CPU that it and its children took."""

    code: int
    out: str
    err: str
    cpu: float


@attrs.frozen
class Tiny:
    """The project's folder and where it answers."""

    folder: Path
    name: str
    environment: str
    port: int

    def __call__(self, *argv: str, code: int | None = 0, env: dict[str, str] | None = None, word: str = "") -> Done:
        """Run `stagecraft ARGV`; it must end with `code` and print no traceback, unless `--verbose` asks for it."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [COMMAND, *argv],
            cwd=self.folder,
            env=self.variables(env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=110,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert word in done.stdout + done.stderr
        if code != 3 and "--verbose" not in argv:
            assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr, cpu)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Begin a command and leave it running, in a process group of its own."""
        return subprocess.Popen(
            [COMMAND, *argv],
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def variables(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """Return the shell's variables with the environment chosen."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("STAGECRAFT_", "TOKEN"))}
        return {**clean, "STAGECRAFT_ENV": self.environment, "NO_PROXY": "*", **(more or {})}

    def deploy(self, version: str, code: int | None = 0, env: dict[str, str] | None = None) -> Done:
        """Make the page say the version, and deploy it."""
        (self.folder / "web/version.txt").write_text(version)
        return self("deploy", "-v", version, code=code, env=env)

    def serves(self, path: str = "") -> str:
        """Return what the page says; one request, nothing repeated."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def soon(self, version: str, seconds: float = 5.0) -> bool:
        """Tell whether the page says the version within some seconds."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                if self.serves() == version:
                    return True
            except OSError:
                pass
            time.sleep(0.05)
        return False

    def instances(self) -> list[str]:
        """Return the processes, or the containers, that run the server, as the machine itself says."""
        if self.environment == "docker":
            label = f"label=io.stagecraft.project={self.name}"
            return sorted(docker("ps", "-q", "--filter", label).split())
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(self.folder.resolve()):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found += [entry.name] if b"server.py" in words else []
            except OSError:
                continue  # it has ended meanwhile
        return sorted(found)

    def take_down(self) -> None:
        """End what was deployed, and remove what Docker keeps of it."""
        home = self.folder / ".stagecraft/run/local"
        subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False, capture_output=True)
        if self.environment == "docker":
            label = f"label=io.stagecraft.project={self.name}"
            for kind, remove in (("ps -a -q", "rm -f -v"), ("network ls -q", "network rm"), ("images -q", "rmi -f")):
                if ids := docker(*kind.split(), "--filter", label).split():
                    docker(*remove.split(), *sorted(set(ids)))
            if ids := docker("network", "ls", "-q", "--filter", f"name={self.name}").split():
                docker("network", "rm", *ids)


def make(folder: Path, environment: str) -> Tiny:
    """Write the project into a new folder."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    name = f"tiny-{port}"
    for path, text in {
        "stagecraft.yml": CONFIG.format(name=name),
        "docker-compose.yml": COMPOSE.format(port=port),
        ".env": "TOKEN=a-canary-of-tiny\n",
        "web/Dockerfile": "FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\n",
        "web/server.py": SERVER,
        "web/health.py": HEALTH,
        "web/version.txt": "0",
        "migrations/001_items.sql": "CREATE TABLE items (id integer PRIMARY KEY);\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Tiny(folder, name, environment, port)


def docker(*arguments: str) -> str:
    """Ask Docker itself."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False).stdout
