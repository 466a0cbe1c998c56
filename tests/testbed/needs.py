"""Say which of the real parts are there: docker, hosts, postgres, mariadb, node, registry, traefik. Standard library only."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .probes import engine_answers, mariadb_answers, postgres_answers, registry_status, ssh_answers

TIMEOUT = 10.0
OLDEST_NODE = 18
HOSTS = "STAGECRAFT_TESTBED_HOSTS"
REGISTRY = "STAGECRAFT_TESTBED_REGISTRY"
REGISTRY_AUTH = "STAGECRAFT_TESTBED_REGISTRY_AUTH"


@dataclass(frozen=True, slots=True)
class Ready:
    """The part can be used; `detail` says what it is, such as a version."""

    detail: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The part cannot be used; `reason` is one line."""

    reason: str


def probe() -> dict[str, Missing | Ready]:
    """Look for each part by using it, as the environment of this process names it."""
    return {name: look() for name, look in PROBES.items()}


def docker() -> Missing | Ready:
    """Look for an engine that answers, compose 2 and buildx."""
    engine = _output("docker", "version", "--format", "{{.Server.Version}}")
    if isinstance(engine, Missing):
        return engine
    compose = _output("docker", "compose", "version", "--short")
    if isinstance(compose, Missing):
        return Missing("docker has no compose plugin")
    if _major(compose) < 2:
        return Missing(f"docker compose {compose} is older than 2")
    if isinstance(_output("docker", "buildx", "version"), Missing):
        return Missing("docker has no buildx plugin")
    return Ready(f"engine {engine}, compose {compose}")


def postgres() -> Missing | Ready:
    """Look for the PostgreSQL server that STAGECRAFT_TEST_POSTGRES names."""
    return _database("STAGECRAFT_TEST_POSTGRES", 5432, lambda host, port, user: postgres_answers(host, port, user))


def mariadb() -> Missing | Ready:
    """Look for the MariaDB server that STAGECRAFT_TEST_MARIADB names."""
    return _database("STAGECRAFT_TEST_MARIADB", 3306, lambda host, port, _: mariadb_answers(host, port))


def node() -> Missing | Ready:
    """Look for Node 18 or newer, with npm."""
    version = _output("node", "--version")
    if isinstance(version, Missing):
        return version
    if _major(version) < OLDEST_NODE:
        return Missing(f"node {version} is older than {OLDEST_NODE}")
    npm = _output("npm", "--version")
    return npm if isinstance(npm, Missing) else Ready(f"node {version}, npm {npm}")


def hosts() -> Missing | Ready:
    """Look for the hosts of the testbed that STAGECRAFT_TESTBED_HOSTS names, with SSH and an engine that answer."""
    root = os.environ.get(HOSTS)
    if not root:
        return Missing(f"{HOSTS} is not set")
    if os.geteuid() != 0:
        return Missing("only root can look into hosts")
    try:
        records = [json.loads((folder / "spec.json").read_text()) for folder in sorted(Path(root).glob("hosts/h?"))]
        addresses = dict(line.split()[0].split(",") for line in Path(root, "ssh/known_hosts").read_text().splitlines())
    except (OSError, ValueError):
        return Missing(f"no hosts are up in {root}, which {HOSTS} names")
    usual = [f"h{record['number']}" for record in records]
    if len(usual) < 3:
        return Missing(f"{len(usual)} hosts are up in {root}, which {HOSTS} names; the tests need 3")
    for name in usual[:3]:
        if not ssh_answers(addresses.get(name, ""), 22):
            return Missing(f"no SSH server answers on host {name} in {root}, which {HOSTS} names")
        if not engine_answers(f"{root}/hosts/{name}/run/docker.sock"):
            return Missing(f"no engine answers on host {name} in {root}, which {HOSTS} names")
    return Ready(f"{', '.join(f'{name} at {addresses[name]}' for name in usual)}")


def registry() -> Missing | Ready:
    """Look for the testbed's registries: an open one, and one that asks for a password."""
    names = (REGISTRY, REGISTRY_AUTH)
    if unset := [name for name in names if not os.environ.get(name)]:
        return Missing(f"{unset[0]} is not set")
    addresses = [os.environ[name].removeprefix("http://").rpartition("@")[2] for name in names]
    for name, address, expected in zip(names, addresses, (200, 401), strict=True):
        host, _, port = address.partition(":")
        if registry_status(host, int(port) if port.isdigit() else 0) != expected:
            return Missing(f"no such registry answers at {address}, which {name} names")
    return Ready(f"open at {addresses[0]}, with a password at {addresses[1]}")


def traefik() -> Missing | Ready:
    """Look for Traefik's image on the engine; the testbed cannot make it, because no Debian suite has Traefik."""
    found = _output("docker", "image", "inspect", "--format", "{{.Id}}", "traefik:v3")
    return Missing("the engine has no image traefik:v3") if isinstance(found, Missing) else Ready(found)


PROBES: dict[str, Callable[[], Missing | Ready]] = {
    "docker": docker,
    "hosts": hosts,
    "postgres": postgres,
    "mariadb": mariadb,
    "node": node,
    "registry": registry,
    "traefik": traefik,
}


def _database(variable: str, usual_port: int, answers: Callable[[str, int, str], bool]) -> Missing | Ready:
    value = os.environ.get(variable)
    if not value:
        return Missing(f"{variable} is not set")
    try:
        url = urlsplit(value)
        host, port = url.hostname or "", url.port or usual_port
    except ValueError:
        return Missing(f"{variable} is not a URL")
    if not answers(host, port, url.username or ""):
        return Missing(f"no server answers at {host}:{port}, which {variable} names")
    return Ready(f"{host}:{port}")


def _output(*command: str) -> str | Missing:
    """Return what `command` prints, or why it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except FileNotFoundError:
        return Missing(f"the command {command[0]} is not there")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Missing(f"`{' '.join(command[:2])}` cannot be run: {error}")
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        return Missing(f"`{' '.join(command[:2])}` failed: {reason}")
    return done.stdout.strip()


def _major(version: str) -> int:
    digits = version.lstrip("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0
