"""A context, a folder and a project for these tests: the contract's Protocols in a few lines, on real files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from stagecraft_hookspecs.errors import Interrupted, NotFound, UserError
from stagecraft_hookspecs.migration import Applied, Database, Migration, MigrationFacts, MigrationPlan
from stagecraft_hookspecs.values import Result, Secret
from stagecraft_raw_sql.engine import Raw, RawConfig


class FilesBelow:
    """Give read-only sight of a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _inside(self, path: str) -> Path:
        full = (self.root / path).resolve()
        if not full.is_relative_to(self.root.resolve()):
            raise UserError(f"{path} lies outside of the project")
        return full

    def exists(self, path: str) -> bool:
        return self._inside(path).exists()

    def read(self, path: str) -> bytes:
        try:
            return self._inside(path).read_bytes()
        except FileNotFoundError:
            raise NotFound("file", path) from None

    def glob(self, pattern: str) -> tuple[str, ...]:
        found = (p for p in self.root.glob(pattern) if not p.is_dir())
        return tuple(sorted(p.relative_to(self.root).as_posix() for p in found))


class Here:
    """A context on this machine; ``stop`` interrupts the run."""

    project, environment = "shop", "test"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stop = False
        self.lines: list[str] = []
        self.slept: list[float] = []

    def log(self, message: str, *, level: str = "info", service: str = "", host: str = "") -> None:
        self.lines.append(f"{level}: {message}")

    def progress(self, message: str, *, service: str = "", host: str = "") -> None:
        pass

    def sleep(self, seconds: float) -> None:
        if self.stop:
            raise Interrupted("interrupted")
        self.slept.append(seconds)
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def machine(self, host: object = None) -> Any:
        raise AssertionError("the engine needs no machine")

    def home(self, host: object = None) -> str:
        raise AssertionError("the engine needs no home")

    def secret(self, name: str) -> Secret:
        raise AssertionError("the URL is resolved already")

    def fill(self, text: str) -> Secret:
        raise AssertionError("the URL is resolved already")

    def oneoff(self, service: str, argv: tuple[str, ...], *, timeout: float = 0.0) -> Result:
        raise AssertionError("the engine runs no container")


class Project:
    """A project's folder with migrations, and the database they are for."""

    def __init__(self, root: Path, url: str = "sqlite:///data.db", **config: Any) -> None:
        self.root, self.url = root, url
        self.engine = Raw(RawConfig(**config))
        self.ctx = Here(root)
        (root / "migrations").mkdir(exist_ok=True)

    def write(self, name: str, sql: str | bytes) -> Path:
        path = self.root / "migrations" / name
        path.write_bytes(sql if isinstance(sql, bytes) else sql.encode())
        return path

    @property
    def database(self) -> Database:
        return Database("main", Secret("DATABASE_URL", self.url))

    def discover(self) -> tuple[Migration, ...]:
        return self.engine.discover(FilesBelow(self.root))

    def observe(self) -> MigrationFacts:
        return self.engine.observe(self.ctx, self.database)

    def plan(self, target: str = "") -> MigrationPlan:
        return self.engine.plan(self.discover(), self.observe(), target)

    def apply(self, plan: MigrationPlan | None = None) -> tuple[Applied, ...]:
        return self.engine.apply(self.ctx, self.database, plan or self.plan())

    def applied(self) -> list[str]:
        return [a.name for a in self.apply()]


def mariadb(url: str) -> Any:
    """Return a connection of the test's own to a MariaDB server."""
    import pymysql
    from stagecraft_raw_sql.connect import parse
    from stagecraft_raw_sql.mysql_connect import arguments

    return pymysql.connect(**arguments(parse(Database("test", Secret("URL", url)))))


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return what a server answers to one statement, over a connection of the test's own."""
    if url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []
    with mariadb(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
