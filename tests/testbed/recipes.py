"""Say what each image of the testbed is made of: Debian packages, a few files, and its configuration."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import node, roots
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


def _python(layout: Layout, root: Path) -> None:
    # links in /usr/local/bin must be absolute: relative ones would loop through the merged /usr
    for name, target in (("python", "python3"), ("python3", "python3"), ("pip", "pip3"), ("pip3", "pip3")):
        _link(root / "usr/local/bin" / name, f"/usr/bin/{target}")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()  # in the usual image pip installs without a virtual environment


def _node(layout: Layout, root: Path) -> None:
    shutil.copytree(node.unpacked(layout), root / "usr/local", symlinks=True, dirs_exist_ok=True)
    roots.add_account(root, "node", 1000, "/home/node")
    (root / "home/node").mkdir()


def _postgres(layout: Layout, root: Path) -> None:
    roots.add_account(root, "postgres", 999, "/var/lib/postgresql")
    for library in root.glob("usr/lib/postgresql/*/lib/llvmjit.so"):
        library.unlink()  # its 100 MB of compiler are left out; without this file the server knows it has none
    (root / "docker-entrypoint-initdb.d").mkdir()
    _link(root / "usr/local/pgsql", f"/{next(root.glob('usr/lib/postgresql/*')).relative_to(root)}")
    _entrypoint(root, "entrypoints/postgres.sh")


def _mariadb(layout: Layout, root: Path) -> None:
    roots.add_account(root, "mysql", 999, "/var/lib/mysql")
    (root / "docker-entrypoint-initdb.d").mkdir()
    _entrypoint(root, "entrypoints/mariadb.sh")


def _redis(layout: Layout, root: Path) -> None:
    (root / "data").mkdir()


def _nginx(layout: Layout, root: Path) -> None:
    # base-passwd has www-data; logs go where `docker logs` sees them
    (root / "var/log/nginx").mkdir(parents=True, exist_ok=True)
    _link(root / "var/log/nginx/access.log", "/dev/stdout")
    _link(root / "var/log/nginx/error.log", "/dev/stderr")
    (root / "etc/nginx/conf.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/nginx/conf.d/default.conf").write_text(
        "server { listen 80 default_server; root /usr/share/nginx/html; index index.html; }\n"
    )


def _caddy(layout: Layout, root: Path) -> None:
    for folder in ("config", "data", "srv"):
        (root / folder).mkdir(exist_ok=True)


def _haproxy(layout: Layout, root: Path) -> None:
    roots.add_account(root, "haproxy", 99, "/var/lib/haproxy")
    (root / "usr/local/etc/haproxy").mkdir(parents=True)
    (root / "var/lib/haproxy").mkdir(exist_ok=True)
    shutil.chown(root / "var/lib/haproxy", 99, 99)


def _app(layout: Layout, root: Path) -> None:
    shutil.copy(HERE / "app/app.py", root / "srv/app.py")


def _busybox(layout: Layout, root: Path) -> None:
    listing = subprocess.run([root / "bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in listing.stdout.split():
        if not (root / "bin" / applet).exists():
            _link(root / "bin" / applet, "busybox")


def _entrypoint(root: Path, file: str) -> None:
    target = root / "usr/local/bin/docker-entrypoint.sh"
    shutil.copy(HERE / file, target)
    target.chmod(0o755)


def _link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


RECIPES = (
    Recipe(
        "busybox",
        ("busybox:latest", "alpine:latest"),
        "bookworm",
        ("busybox-static",),
        (f"ENV {PATH}", 'CMD ["sh"]'),
        finish=_busybox,
    ),
    Recipe("debian", ("debian:bookworm-slim",), "bookworm", BASE, (f"ENV {PATH}", 'CMD ["bash"]')),
    Recipe(
        "python",
        ("python:3.11-slim",),
        "bookworm",
        (*BASE, "ca-certificates", "netbase", "python3", "python3-pip", "python3-venv", "tzdata"),
        (f"ENV {PATH}", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
        finish=_python,
    ),
    Recipe(
        "node",
        ("node:22-slim",),
        "bookworm",
        (*BASE, "ca-certificates", "libstdc++6"),
        # node trusts its own list only; npm in a build must also trust what this machine trusts
        (f"ENV {PATH}", "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", 'CMD ["node"]'),
        finish=_node,
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
        finish=_postgres,
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
        finish=_mariadb,
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
        finish=_redis,
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
        finish=_nginx,
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
        finish=_caddy,
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
        finish=_haproxy,
    ),
    *(
        Recipe(
            "app",
            (f"app:{version}",),
            "bookworm",
            (*BASE, "python3"),
            (f"ENV {PATH}", f"ENV APP_VERSION={version}", "EXPOSE 8000", 'CMD ["python3", "/srv/app.py"]'),
            finish=_app,
            files=("app/app.py",),
        )
        for version in (1, 2)
    ),
)


def recipe_for(tag: str) -> Recipe | None:
    """Return the recipe that makes the image `tag`, or None."""
    return next((recipe for recipe in RECIPES if tag in recipe.tags), None)
