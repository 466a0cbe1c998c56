"""Run a PostgreSQL and a MariaDB server on loopback, on free ports, with empty data at each start.

They run inside the root file systems that the images are made of, as an unprivileged account, so neither the
system's own servers nor its libraries and accounts are touched or needed. Data safety is off: they are for tests.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import images, probes, state, tools
from .layout import Layout, TestbedError
from .processes import JAIL, Process, started_with, stop, wait_ready
from .processes import start as start_process
from .recipes import recipe_for

SERVERS = ("mariadb", "postgres")
USER = "stagecraft"
NUMBER = 999
"""Account number of both servers, as in the images."""

# $1: the root file system, $2: the data folder outside it. Runs in the server's own mount namespace.
PRELUDE = """
root=$1 data=$2; shift 2
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/run"
mount --bind "$data" "$root/srv"
exec chroot --userspec=999:999 "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a server listens and who may log in."""

    port: int
    password: str

    def url(self, scheme: str, database: str) -> str:
        return f"{scheme}://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"


def up_postgres(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Start PostgreSQL, or return the one that runs; its URL is in STAGECRAFT_TEST_POSTGRES."""
    recorded = parts.get("postgres")
    if recorded is not None and state.running(recorded):
        return recorded
    root, data = _prepare(layout, "postgres:16")
    account = Account(free_port(), secrets.token_hex(12))
    (data / "password").write_text(account.password + "\n")
    binaries = f"/{next(root.glob('usr/lib/postgresql/*/bin')).relative_to(root)}"
    initdb = [f"{binaries}/initdb", "-D", "/srv/data", "-U", USER, "--pwfile=/srv/password", "--auth=scram-sha-256"]
    log = data.with_suffix(".log")
    _run_inside(root, data, [*initdb, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"], log)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(account.port),
        "unix_socket_directories": "",
        "dynamic_shared_memory_type": "mmap",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "200",
    }
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    process = _start(root, data, [f"{binaries}/postgres", "-D", "/srv/data", *flags], log)
    environment = {"STAGECRAFT_TEST_POSTGRES": account.url("postgresql", "postgres")}
    parts["postgres"] = state.Part(process, environment)
    state.save(layout, parts)
    wait_ready("PostgreSQL", process, lambda: probes.postgres_answers("127.0.0.1", account.port, USER), log)
    return parts["postgres"]


def up_mariadb(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Start MariaDB, or return the one that runs; its URL is in STAGECRAFT_TEST_MARIADB."""
    recorded = parts.get("mariadb")
    if recorded is not None and state.running(recorded):
        return recorded
    root, data = _prepare(layout, "mariadb:11")
    account = Account(free_port(), secrets.token_hex(12))
    log = data.with_suffix(".log")
    install = ["/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=/srv/data", "--skip-test-db"]
    _run_inside(root, data, [*install, "--auth-root-authentication-method=normal"], log)
    (data / "accounts.sql").write_text(
        "DELETE FROM mysql.global_priv WHERE User = 'root';\n"  # made without a password, for four host names
        "FLUSH PRIVILEGES;\n"
        f"CREATE USER {USER}@'%' IDENTIFIED BY '{account.password}';\n"
        f"GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION;\n"
        "CREATE DATABASE test;\n"
    )
    settings = {
        "datadir": "/srv/data",
        "socket": "/run/mariadb.sock",
        "pid-file": "/run/mariadb.pid",
        "bind-address": "127.0.0.1",
        "port": str(account.port),
        "init-file": "/srv/accounts.sql",  # done before the first connection is let in
        "innodb-flush-log-at-trx-commit": "0",
        "skip-name-resolve": "ON",
        "character-set-server": "utf8mb4",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    process = _start(root, data, ["/usr/sbin/mariadbd", "--no-defaults", *flags], log)
    environment = {"STAGECRAFT_TEST_MARIADB": account.url("mysql", "test")}
    parts["mariadb"] = state.Part(process, environment)
    state.save(layout, parts)
    wait_ready("MariaDB", process, lambda: probes.mariadb_answers("127.0.0.1", account.port), log)
    return parts["mariadb"]


def down(layout: Layout, name: str) -> None:
    """End a server and delete its data."""
    data = layout.databases / name
    for process in started_with(str(data)):
        stop(process, grace=0.0)
    shutil.rmtree(data, ignore_errors=True)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _prepare(layout: Layout, tag: str) -> tuple[Path, Path]:
    """Return the server's root file system and a new, empty data folder owned by its account."""
    recipe = recipe_for(tag)
    assert recipe is not None
    root = images.root_for(layout, recipe)
    down(layout, recipe.name)
    data = layout.databases / recipe.name
    data.mkdir(parents=True, mode=0o700)
    os.chown(data, NUMBER, NUMBER)
    data.with_suffix(".log").unlink(missing_ok=True)
    return root, data


def _inside(root: Path, data: Path, command: list[str]) -> list[str]:
    return ["sh", "-eu", "-c", PRELUDE, "database", str(root), str(data), *command]


def _run_inside(root: Path, data: Path, command: list[str], log: Path) -> None:
    argv = [*JAIL, *_inside(root, data, command)]
    environment = {"PATH": tools.SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": "/srv"}
    with log.open("ab") as output:
        done = subprocess.run(argv, stdout=output, stderr=output, env=environment, check=False)
    if done.returncode:
        raise TestbedError(f"{Path(command[0]).name} failed with exit code {done.returncode}", f"read {log}")


def _start(root: Path, data: Path, command: list[str], log: Path) -> Process:
    environment = {"PATH": tools.SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": "/srv"}
    return start_process(_inside(root, data, command), log=log, environment=environment)
