"""Finish the root file systems of images: what the packages alone do not make."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import node as nodejs
from . import roots
from .layout import Layout

HERE = Path(__file__).parent


def python(layout: Layout, root: Path) -> None:
    # links in /usr/local/bin must be absolute: relative ones would loop through the merged /usr
    for name, target in (("python", "python3"), ("python3", "python3"), ("pip", "pip3"), ("pip3", "pip3")):
        _link(root / "usr/local/bin" / name, f"/usr/bin/{target}")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()  # in the usual image pip installs without a virtual environment


def node(layout: Layout, root: Path) -> None:
    shutil.copytree(nodejs.unpacked(layout), root / "usr/local", symlinks=True, dirs_exist_ok=True)
    roots.add_account(root, "node", 1000, "/home/node")
    (root / "home/node").mkdir()


def postgres(layout: Layout, root: Path) -> None:
    roots.add_account(root, "postgres", 999, "/var/lib/postgresql")
    for library in root.glob("usr/lib/postgresql/*/lib/llvmjit.so"):
        library.unlink()  # its 100 MB of compiler are left out; without this file the server knows it has none
    (root / "docker-entrypoint-initdb.d").mkdir()
    _link(root / "usr/local/pgsql", f"/{next(root.glob('usr/lib/postgresql/*')).relative_to(root)}")
    _entrypoint(root, "entrypoints/postgres.sh")


def mariadb(layout: Layout, root: Path) -> None:
    roots.add_account(root, "mysql", 999, "/var/lib/mysql")
    (root / "docker-entrypoint-initdb.d").mkdir()
    _entrypoint(root, "entrypoints/mariadb.sh")


def redis(layout: Layout, root: Path) -> None:
    (root / "data").mkdir()


def nginx(layout: Layout, root: Path) -> None:
    # base-passwd has www-data; logs go where `docker logs` sees them
    (root / "var/log/nginx").mkdir(parents=True, exist_ok=True)
    _link(root / "var/log/nginx/access.log", "/dev/stdout")
    _link(root / "var/log/nginx/error.log", "/dev/stderr")
    (root / "etc/nginx/conf.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/nginx/conf.d/default.conf").write_text(
        "server { listen 80 default_server; root /usr/share/nginx/html; index index.html; }\n"
    )


def caddy(layout: Layout, root: Path) -> None:
    for folder in ("config", "data", "srv"):
        (root / folder).mkdir(exist_ok=True)


def haproxy(layout: Layout, root: Path) -> None:
    roots.add_account(root, "haproxy", 99, "/var/lib/haproxy")
    (root / "usr/local/etc/haproxy").mkdir(parents=True)
    (root / "var/lib/haproxy").mkdir(exist_ok=True)
    shutil.chown(root / "var/lib/haproxy", 99, 99)


def app(layout: Layout, root: Path) -> None:
    shutil.copy(HERE / "app/app.py", root / "srv/app.py")


def busybox(layout: Layout, root: Path) -> None:
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
