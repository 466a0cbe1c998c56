"""Say what each image of the testbed is made of: Debian packages, a few files, and its configuration."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import finishing, roots
from .layout import Layout
from .roots import BASE

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HERE = Path(__file__).parent


def _nothing(layout: Layout, root: Path) -> None:
    """Add nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image: `packages` of `suite` with their dependencies except `without`, then `finish` run on the root file
    system, and `settings` as Dockerfile instructions. `files` names the files here that `finish` reads;
    `runs_here` says that a server also runs from the root file system, so that it is kept beside the archive."""

    name: str
    tags: tuple[str, ...]
    suite: str
    packages: tuple[str, ...]
    settings: tuple[str, ...]
    without: tuple[str, ...] = ()
    finish: Callable[[Layout, Path], None] = _nothing
    files: tuple[str, ...] = ()
    runs_here: bool = False

    @property
    def key(self) -> str:
        """Return the name under which the result is kept: another one for every change to what it is made of."""
        digest = hashlib.sha256(repr((self.suite, self.packages, self.without)).encode())
        digest.update(inspect.getsource(self.finish).encode())
        digest.update(inspect.getsource(roots).encode())
        for file in self.files:
            digest.update((HERE / file).read_bytes())
        return f"{self.name}-{digest.hexdigest()[:8]}"


RECIPES = (
    Recipe(
        "busybox",
        ("busybox:latest", "alpine:latest"),
        "bookworm",
        ("busybox-static",),
        (f"ENV {PATH}", 'CMD ["sh"]'),
        finish=finishing.busybox,
    ),
    Recipe("debian", ("debian:bookworm-slim",), "bookworm", BASE, (f"ENV {PATH}", 'CMD ["bash"]')),
    Recipe(
        "python",
        ("python:3.11-slim",),
        "bookworm",
        (*BASE, "ca-certificates", "netbase", "python3", "python3-pip", "python3-venv", "tzdata"),
        (f"ENV {PATH}", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
        finish=finishing.python,
    ),
    Recipe(
        "node",
        ("node:22-slim",),
        "bookworm",
        (*BASE, "ca-certificates", "libstdc++6"),
        # node trusts its own list only; npm in a build must also trust what this machine trusts
        (f"ENV {PATH}", "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", 'CMD ["node"]'),
        finish=finishing.node,
        files=("node.py", "node-requirements.txt"),
    ),
    Recipe(
        "postgres",
        ("postgres:16", "postgres:17"),
        "trixie",
        (*BASE, "postgresql-17", "tzdata", "util-linux"),
        (
            "ENV PATH=/usr/local/pgsql/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ENV LANG=C.UTF-8",
            "ENV PGDATA=/var/lib/postgresql/data",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            "STOPSIGNAL SIGINT",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["postgres"]',
        ),
        without=("libllvm19", "libz3-4", "postgresql-common", "ssl-cert"),
        finish=finishing.postgres,
        files=("entrypoints/postgres.sh",),
        runs_here=True,
    ),
    Recipe(
        "mariadb",
        ("mariadb:11",),
        "trixie",
        (*BASE, "hostname", "mariadb-client-core", "mariadb-server-core", "tzdata", "util-linux"),
        (
            f"ENV {PATH}",
            "VOLUME /var/lib/mysql",
            "EXPOSE 3306",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["mariadbd"]',
        ),
        finish=finishing.mariadb,
        files=("entrypoints/mariadb.sh",),
        runs_here=True,
    ),
    Recipe(
        "redis",
        ("redis:7", "redis:7-alpine"),
        "bookworm",
        (*BASE, "redis-server", "redis-tools"),
        (
            f"ENV {PATH}",
            "VOLUME /data",
            "WORKDIR /data",
            "EXPOSE 6379",
            'CMD ["redis-server", "--protected-mode", "no"]',
        ),
        finish=finishing.redis,
    ),
    Recipe(
        "nginx",
        ("nginx:alpine", "nginx:latest"),
        "bookworm",
        (
            *BASE,
            "nginx-light",
            "wget",  # as the usual image has it; health checks use it
        ),
        (f"ENV {PATH}", "EXPOSE 80", "STOPSIGNAL SIGQUIT", 'CMD ["nginx", "-g", "daemon off;"]'),
        finish=finishing.nginx,
    ),
    Recipe(
        "caddy",
        ("caddy:2", "caddy:2-alpine"),
        "sid",  # older suites have 2.6, which cannot read a file per request
        (*BASE, "ca-certificates", "caddy"),
        (
            f"ENV {PATH}",
            "ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data",
            "WORKDIR /srv",
            "EXPOSE 80 443 2019",
            'CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]',
        ),
        finish=finishing.caddy,
    ),
    Recipe(
        "haproxy",
        ("haproxy:3.0", "haproxy:lts"),
        "trixie",
        (*BASE, "ca-certificates", "haproxy"),
        (
            f"ENV {PATH}",
            "USER haproxy",
            "WORKDIR /var/lib/haproxy",
            "STOPSIGNAL SIGUSR1",  # finish what is under way, then end
            'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
        ),
        finish=finishing.haproxy,
    ),
    *(
        Recipe(
            "app",
            (f"app:{version}",),
            "bookworm",
            (*BASE, "python3"),
            (f"ENV {PATH}", f"ENV APP_VERSION={version}", "EXPOSE 8000", 'CMD ["python3", "/srv/app.py"]'),
            finish=finishing.app,
            files=("app/app.py",),
        )
        for version in (1, 2)
    ),
)


def recipe_for(tag: str) -> Recipe | None:
    """Return the recipe that makes the image `tag`, or None."""
    return next((recipe for recipe in RECIPES if tag in recipe.tags), None)
