"""Deploy an example with the real command, and look at what it left from outside: over HTTP, in processes, in Docker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = str(Path(sys.executable).with_name("stagecraft"))


@dataclass(frozen=True)
class Deployed:
    """A copy of an example, its project's name, its environment, and the port on which it is published."""

    folder: Path
    project: str
    environment: str
    port: int
    variables: Mapping[str, str] = field(default_factory=dict)

    def stagecraft(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `stagecraft ARGUMENTS -e ENVIRONMENT`; it must end with `code` and show no traceback."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STAGECRAFT_")}
        done = subprocess.run(
            [COMMAND, *arguments, "-e", self.environment],
            cwd=self.folder,
            env={**environment, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def get(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, str]:
        """Send a request to the published port; return status and text. Nothing is retried."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def json(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Send a request that must succeed; return the decoded answer."""
        status, text = self.get(path, body, method)
        assert status in (200, 201), text
        return json.loads(text)

    def instances(self) -> dict[str, str]:
        """Return which process or container serves each service, as the machine itself says."""
        return _containers(self.project, self.environment) if self._by_docker else _processes(self.folder)

    def take_down(self) -> None:
        """End what was deployed, and remove what Docker keeps of it."""
        if not self._by_docker:
            home = self.folder / ".stagecraft" / "run" / self.environment
            subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False)
            return
        wanted = f"label=io.stagecraft.project={self.project}"
        for kind, remove in (("ps", "rm -f -v"), ("volume ls", "volume rm"), ("network ls", "network rm")):
            label = wanted if kind == "ps" else f"name={self.project}-{self.environment}_"
            every = ["-a"] if kind == "ps" else []
            if ids := _docker(*kind.split(), *every, "-q", "--filter", label).split():
                _docker(*remove.split(), *ids)
        names = [f"reference={self.project}{suffix}/*" for suffix in ("", f"-{self.environment}")]
        template = "{{.Repository}}:{{.Tag}}"
        listed = _docker("images", "--format", template, *(part for n in names for part in ("--filter", n)))
        if images := listed.split():
            _docker("rmi", "-f", *images)

    @property
    def _by_docker(self) -> bool:
        return self.environment == "docker"


def copy_of(example: str, parent: Path, environment: str, port_variable: str) -> Deployed:
    """Copy an example, choose a free port, and name the project after it, so that several can be deployed at once."""
    folder = parent / example
    shutil.copytree(
        EXAMPLES / example, folder, ignore=shutil.ignore_patterns("node_modules", ".stagecraft", "data", "__pycache__")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config, project = folder / "stagecraft.yml", f"{example}-{port}"
    text = config.read_text()
    assert f"name: {example}" in text
    config.write_text(text.replace(f"name: {example}", f"name: {project}"))
    return Deployed(folder, project, environment, port, {port_variable: str(port)})


def _containers(project: str, environment: str) -> dict[str, str]:
    filters = [f"label=io.stagecraft.project={project}", f"label=io.stagecraft.environment={environment}"]
    template = '{{.Label "com.docker.compose.service"}} {{.ID}}'
    listed = _docker("ps", *(part for f in filters for part in ("--filter", f)), "--format", template)
    return dict(line.split() for line in listed.splitlines())


def _processes(folder: Path) -> dict[str, str]:
    """Find the servers by their working folder, which lies in the project, and say which service each is."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            cwd = Path(os.readlink(entry / "cwd")) if entry.name.isdigit() else Path("/")
            argv = (entry / "cmdline").read_bytes().split(b"\0") if cwd.is_relative_to(folder) else []
        except OSError:
            continue  # it has ended meanwhile
        if b"server.py" in argv:
            service = "web" if (cwd / "static").exists() else "api"
            found[service] = entry.name
    return found


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout
