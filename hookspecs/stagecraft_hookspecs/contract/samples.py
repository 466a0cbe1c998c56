"""Sample inputs that the suites share: a shop with an API, a web page and a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.runtime import Deployment, Order, Service, Update
from stagecraft_hookspecs.values import Build, Host, Image, Phase, Project, Release, Status, reference

HOSTS = (
    Host("app-1", "10.0.0.11", "deploy", 22, ("app",)),
    Host("app-2", "10.0.0.12", "deploy", 2222, ("app",)),
    Host("db-1", "10.0.0.21", "deploy", 22, ("db",)),
)

#: As ``docker compose config --format json`` prints them, in an environment whose secret is a reference.
SERVICES: Mapping[str, Mapping[str, Any]] = {
    "api": {
        "build": {"context": "/srv/shop/api", "dockerfile": "Dockerfile"},
        "command": ["python3", "server.py"],
        "environment": {"DATABASE_URL": reference("DATABASE_URL"), "LEVEL": "costs $5", "PORT": "8000"},
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "retries": 3, "timeout": "2s"},
        "ports": [{"target": 8000, "published": "8080", "protocol": "tcp", "mode": "ingress"}],
        "stop_grace_period": "10s",
    },
    "postgres": {
        "image": "postgres:17",
        "environment": {"POSTGRES_PASSWORD": reference("POSTGRES_PASSWORD")},
        "volumes": [{"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"}],
    },
    "web": {
        "build": {"context": "/srv/shop/web", "dockerfile": "Dockerfile"},
        "command": ["python3", "server.py"],
        "depends_on": {"api": {"condition": "service_started", "required": True}},
        "environment": {"API_URL": "http://api:8000"},
        "ports": [{"target": 8000, "published": "8081", "protocol": "tcp", "mode": "ingress"}],
    },
}

FILES = {
    "docker-compose.yml": "services: {}\n",
    "package.json": '{"name": "shop", "scripts": {"dev": "node server.js"}}\n',
    "api/Dockerfile": "FROM scratch\n",
    "api/server.py": "print('api')\n",
    "web/Dockerfile": "FROM scratch\n",
    "web/server.py": "print('web')\n",
    "migrations/001_create.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);\n",
    "migrations/002_add.sql": "ALTER TABLE notes ADD COLUMN pinned INTEGER DEFAULT 0;\n",
}


def project(folder: MemoryFolder, services: Mapping[str, Mapping[str, Any]] = SERVICES) -> Project:
    """Return the shop as a pure half sees it."""
    return Project("shop", "prod", folder, services)


def deployment(folder: MemoryFolder, hosts: tuple[Host, ...] = HOSTS[:2], release_id: str = "") -> Deployment:
    """Return all of the shop, on every host given, with digests when it has a release's id."""
    digest = "sha256:" + "ab" * 32 if release_id else ""
    names = tuple(sorted(h.name for h in hosts))
    services = tuple(
        Service(
            name,
            definition,
            names if name != "postgres" else names[:1],
            image=Image(str(definition.get("image", f"shop/{name}")), digest),
            build=Build(name, context=name) if "build" in definition else None,
            update=Update(Order.STOP_FIRST) if name == "web" else Update(),
        )
        for name, definition in sorted(SERVICES.items())
    )
    resources = {"volumes": {"data": {"name": "shop_data"}}, "networks": {"default": {"name": "shop_default"}}}
    return Deployment("shop", "prod", services, hosts, resources, folder, release_id, "/srv/shop")


def release(serial: int = 1, environment: str = "prod", **changes: Any) -> Release:
    """Return a complete release."""
    given: dict[str, Any] = {
        "id": f"rel-20250102-{serial:09d}",
        "version": f"v{serial}",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "who": "alice@laptop",
        "timestamp": "2025-01-02T03:04:05Z",
        "phases": dict.fromkeys(Phase, Status.COMPLETED),
    }
    return Release(serial=serial, environment=environment, **{**given, **changes})
