"""A project on real hosts: deployed with the real command, judged from outside, over HTTP and by each host's own engine."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.testbed.fixtures import TestHost

COMMAND = (sys.executable, "-m", "stagecraft")
PORT = 8080

COMPOSE = """\
services:
  web:
    build: ./web
    ports: ["8080:8000"]
    environment: {GREETING: "${GREETING:-none}", APP_TERM: drain}
    healthcheck: {test: [CMD, python3, /srv/check.py], interval: 1s, timeout: 3s, retries: 3, start_period: 20s}
    stop_grace_period: 5s
    volumes: ["./settings.ini:/etc/settings.ini:ro"]
  worker:
    build: ./web
    command: [python3, -u, -c, "import time, signal, sys; signal.signal(15, lambda *a: sys.exit(0)); time.sleep(1e6)"]
    stop_grace_period: 2s
    volumes: ["jobs:/jobs"]
    deploy: {update_config: {monitor: 1s}}
volumes: {jobs: {}}
"""
CONFIG = """\
project: {name: fleet}
environments:
  prod:
    runtime: compose
    proxy: haproxy
    env_file: .env.prod
    hosts: {app: [HOSTS]}
"""
CHECK = """\
import urllib.request
urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=2)
"""


@dataclass(frozen=True)
class Fleet:
    """A project's folder and the hosts of its environment `prod`."""

    folder: Path
    hosts: tuple[TestHost, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def make(self, config: str = CONFIG, compose: str = COMPOSE) -> Fleet:
        """Write the project's files; return itself."""
        named = ", ".join(
            f"{{name: {h.name}, address: {h.address}, user: {h.user}, port: {h.port}}}" for h in self.hosts
        )
        self.write("stagecraft.yml", config.replace("HOSTS", named))
        self.write("docker-compose.yml", compose)
        self.write("settings.ini", "[shop]\n")
        self.write(".env.prod", "GREETING=hello canary-2f9c\n")
        self.write("web/check.py", CHECK)
        self.version("one")
        return self

    def write(self, path: str, text: str) -> None:
        """Write one of the project's files."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def version(self, name: str, broken: str = "") -> None:
        """Make what is built next say that it is `name`, or fail in one of the ways that the app knows."""
        extra = f"ENV APP_BROKEN={broken}\n" if broken else ""
        self.write("web/Dockerfile", f"FROM app:1\nCOPY check.py /srv/check.py\nENV APP_VERSION={name}\n{extra}")

    def stagecraft(
        self, *arguments: str, code: int | None = 0, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run `stagecraft ARGUMENTS -e prod`; it must end with `code` and show no traceback."""
        done = subprocess.run(
            [*COMMAND, *arguments, "-e", "prod"],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `stagecraft ARGUMENTS -e prod` in a session of its own, its output in a pipe."""
        return subprocess.Popen(
            [*COMMAND, *arguments, "-e", "prod"],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """Return a command's variables: this machine's without those of the tests, and the hosts' SSH configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STAGECRAFT_")}
        return {**kept, "STAGECRAFT_SSH_CONFIG": str(self.hosts[0].ssh_config), **self.variables}

    def get(self, host: TestHost, path: str = "/", port: int = PORT, timeout: float = 5.0) -> tuple[int, str]:
        """Ask a host once over HTTP, as a visitor would; return status and text, or 0 and why nothing came."""
        connection = http.client.HTTPConnection(host.address, port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def serving(self, hosts: Sequence[TestHost] = (), port: int = PORT) -> list[str]:
        """Return what visitors get on each host: the version, or what went wrong."""
        found = [self.get(h, port=port) for h in hosts or self.hosts]
        return [text.strip() if status == 200 else f"{status}: {text.strip()[:80]}" for status, text in found]

    def containers(self, host: TestHost, everything: bool = False) -> list[dict[str, Any]]:
        """Return the project's containers on a host as its engine has them, the proxy left out, by name."""
        flags = ["-a"] if everything else []
        names = host.docker(
            "ps", *flags, "--filter", "label=com.docker.compose.project=fleet-prod", "--format", "{{.Names}}"
        )
        found = json.loads(host.docker("inspect", *names.split())) if names.split() else []
        return sorted(found, key=lambda c: str(c["Name"]))

    def release(self) -> dict[str, Any]:
        """Return the newest release as `releases show --json` has it."""
        listed = json.loads(self.stagecraft("releases", "list", "--json").stdout)
        newest = (listed["releases"] if isinstance(listed, dict) else listed)[0]
        shown: dict[str, Any] = json.loads(self.stagecraft("releases", "show", newest["id"], "--json").stdout)
        return shown

    def downtime(self) -> dict[str, Any]:
        """Return what the downtime meter saw of the newest release."""
        return dict(self.release()["downtime"])


def release_ids(text: str) -> list[str]:
    """Return the releases that a text names."""
    return re.findall(r"rel-\d+-\d+", text)
