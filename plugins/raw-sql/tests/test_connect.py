"""Reading URLs without ever showing one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rawsql_harness import Project
from stagecraft_hookspecs.errors import ToolMissing, UserError
from stagecraft_hookspecs.migration import Database
from stagecraft_hookspecs.values import Secret
from stagecraft_raw_sql.connect import Target, parse
from stagecraft_raw_sql.mysql_connect import arguments
from stagecraft_raw_sql.sqlite import locate


def read(url: str) -> Target:
    return parse(Database("main", Secret("DATABASE_URL", url)))


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("sqlite:///a.db", "sqlite"),
        ("sqlite+aiosqlite:///a.db", "sqlite"),
        ("postgres://h/d", "postgresql"),
        ("PostgreSQL+asyncpg://h/d", "postgresql"),
        ("mysql://h/d", "mysql"),
        ("mariadb+pymysql://h/d", "mysql"),
    ],
)
def test_schemes(url: str, dialect: str) -> None:
    assert read(url).dialect == dialect


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "a text that is no URL"),
        ("./data.db", "a text that is no URL"),
        ("s3cr3t", "a text that is no URL"),
        ("oracle://u:s3cr3t@h/d", "the scheme 'oracle'"),
        ("u:s3cr3t@h://x", "a text that is no URL"),
        ("mysql://u:s3/cr3t@h/d", "cannot be read"),
        ("mysql://u:s3cr3t@h:99999/d", "cannot be read"),
        ("mysql://u:s3cr3t@[h/d", "cannot be read"),
        ("sqlite://data.db", "cannot be read"),
    ],
)
def test_url_that_cannot_be_right(url: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(url)
    assert message in caught.value.message
    assert caught.value.hint
    assert "cr3t" not in repr(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None and caught.value.__suppress_context__ == (
        caught.value.__context__ is not None
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a.db", "/project/a.db"),
        ("sqlite:///data/a%20b.db", "/project/data/a b.db"),
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite:///a.db?mode=rw", "/project/a.db"),
    ],
)
def test_sqlite_paths(url: str, path: str) -> None:
    assert locate(read(url), Path("/project")) == Path(path)


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "sqlite:///x?mode=memory"])
def test_database_that_keeps_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names no file"):
        Project(tmp_path, url).observe()


def test_unknown_parameter_of_sqlite(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    with pytest.raises(UserError, match="unknown parameter 'nolock'"):
        Project(tmp_path, "sqlite:///a.db?nolock=1").observe()


def test_mysql_arguments() -> None:
    found = arguments(
        read(
            "mysql://us%40er:p%40ss%2F@h:3307/d?ssl-mode=verify_ca&ssl-ca=/ca.pem&unix_socket=/run/s&connect_timeout=3"
        )
    )
    expected = {
        "host": "h",
        "port": 3307,
        "user": "us@er",
        "password": "p@ss/",
        "database": "d",
        "unix_socket": "/run/s",
    }
    expected |= {"ssl_ca": "/ca.pem", "ssl_verify_cert": True, "connect_timeout": 3}
    assert expected.items() <= found.items()


def test_target_shows_nothing() -> None:
    assert repr(read("mysql://user:s3cr3t@host/d?x=y")) == "Target(dialect='mysql', label='main')"


@pytest.mark.parametrize(
    ("url", "module", "command"),
    [
        ("postgresql://h/d", "psycopg", "pip install 'stagecraft-raw-sql[postgres]'"),
        ("mysql://h/d", "pymysql", "pip install 'stagecraft-raw-sql[mysql]'"),
    ],
)
def test_missing_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, module: str, command: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ToolMissing) as caught:
        Project(tmp_path, url).observe()
    assert caught.value.hint == command
