"""From where a database is reached, and what its URL becomes there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from stagecraft_hookspecs.errors import UserError

from stagecraft.config import find, read, resolve
from stagecraft.kernel import Kernel, scan
from stagecraft.loading import load_project
from stagecraft.plan.planner import make_plan
from stagecraft.plan.vantage import vantage
from stagecraft.project import Project
from stagecraft.run.endpoints import led, seen_from

HOSTS = "hosts: {app: [app-1], db: [db-2, db-1]}"
COMPOSE = """\
services:
  api: {image: "api:1", environment: {DATABASE_URL: "HERE"}, volumes: ["./data:/data"]}
  postgres: {image: "postgres:16"}
"""


def project(
    folder: Path, url: str, database: str = "", engine: str = "{engine: raw, path: ./sql}", hosts: str = HOSTS
) -> Project:
    """Load a project whose api runs on app-1 and whose service postgres runs on db-1 and db-2."""
    (folder / "sql").mkdir()
    (folder / "sql/001_first.sql").write_text("SELECT 1;\n")
    (folder / "docker-compose.yml").write_text(COMPOSE.replace("HERE", url))
    (folder / "stagecraft.yml").write_text(
        "project: {name: shop}\nservices: {postgres: {role: db}}\nruntime: compose\n"
        f"databases: {{main: {{{database}migrations: {engine}}}}}\n"
        f"environments: {{prod: {{{hosts}}}}}\n"
    )
    kernel = Kernel(scan())
    config = resolve(read(find(folder, None, {}), {}), "prod", kernel.lookup, kernel.catalog.defaults)
    return load_project(config, kernel, environ={})


def migrating(loaded: Project) -> Any:
    """Return the plan's operation that migrates, as its JSON has it."""
    operations = json.loads(make_plan(loaded).plan.to_json())["operations"]
    [found] = [o for o in operations if o["action"] == "migration.apply"]
    return found


@pytest.mark.parametrize(
    ("url", "database", "expected"),
    [
        ("postgres://u@postgres/d", "", "db-1"),
        ("postgres://u@postgres/d", "via: db-2, ", "db-2"),
        ("postgres://u@db.example.com/d", "service: postgres, ", "db-1"),
        ("postgres://u@db.example.com/d", "", ""),
        ("postgres://u@db.example.com/d", "via: db, ", "db-1"),
        ("postgres://u@db.example.com/d", "via: app, ", "app-1"),
        ("postgres://u@db.example.com/d", "via: app-1, ", "app-1"),
    ],
)
def test_the_plan_says_from_where(tmp_path: Path, url: str, database: str, expected: str) -> None:
    operation = migrating(project(tmp_path, url, database))
    assert operation["hosts"] == ([expected] if expected else [])
    assert operation["inputs"].get("from", "") == expected
    assert operation["description"].endswith(f"(1 known) from {expected}" if expected else "(1 known)")


def test_without_hosts_it_is_this_machine(tmp_path: Path) -> None:
    loaded = project(tmp_path, "postgres://u@postgres/d", "via: db, ", hosts="profiles: []")
    assert migrating(loaded)["hosts"] == []


def test_a_url_in_an_env_file_counts_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env.prod").write_text("DATABASE_URL=postgres://u:canary@postgres/d\n")
    hosts = HOSTS + ", env_file: .env.prod"
    operation = migrating(project(tmp_path, "${DATABASE_URL}", hosts=hosts))
    assert operation["hosts"] == ["db-1"]
    assert "canary" not in str(operation) and "@" not in str(operation)


def test_a_url_that_is_known_later_counts(tmp_path: Path) -> None:
    loaded = project(tmp_path, "")
    assert vantage(loaded, "main") is None
    host = vantage(loaded, "main", "postgres")
    assert host is not None and host.name == "db-1"


@pytest.mark.parametrize(
    ("url", "database", "message", "hint"),
    [
        (
            "postgres://u@x/d",
            "via: web, ",
            "databases.main.via: prod has no host or role 'web'",
            "known: app, app-1, db, db-1, db-2",
        ),
        ("postgres://u@postgres/d", "via: app, ", "databases.main.via: app does not run postgres", "db-1, db-2"),
        ("sqlite:////data/x.db", "", "database 'main' is an SQLite file of api on app-1", "engine `command`"),
    ],
)
def test_what_cannot_be_reached_is_refused_by_the_plan(
    tmp_path: Path, url: str, database: str, message: str, hint: str
) -> None:
    loaded = project(tmp_path, url, database)
    with pytest.raises(UserError, match=message) as e:
        make_plan(loaded)
    assert hint in e.value.hint
    assert str(e.value.where).startswith("stagecraft.yml:4:")


def test_a_command_runs_on_the_hosts_and_connects_to_nothing(tmp_path: Path) -> None:
    engine = "{engine: command, service: api, command: [migrate]}"
    assert migrating(project(tmp_path, "sqlite:////data/x.db", engine=engine))["hosts"] == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40@db:5432/d", "postgresql://u:p%40@db:41000/d?hostaddr=127.0.0.1"),
        (
            "postgres://u@db.example.com/d?sslmode=verify-full",
            "postgres://u@db.example.com:41000/d?sslmode=verify-full&hostaddr=127.0.0.1",
        ),
        ("postgres://u@[fd00::1]:5432/d", "postgres://u@[fd00::1]:41000/d?hostaddr=127.0.0.1"),
        ("mysql://u:p@db/d", "mysql://u:p@127.0.0.1:41000/d"),
        (
            "mysql://u@db:3307/d?ssl-mode=VERIFY_IDENTITY",
            "mysql://u@db:41000/d?ssl-mode=VERIFY_IDENTITY&hostaddr=127.0.0.1",
        ),
        ("other://db:99/d", "other://127.0.0.1:41000/d"),
    ],
)
def test_a_url_that_leads_through_a_port_of_this_machine(url: str, expected: str) -> None:
    assert led(urlsplit(url), "127.0.0.1", 41000) == expected


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgres://u@db.example.com/d", ("db.example.com", 5432)),
        ("mariadb+pymysql://u@db.example.com/d", ("db.example.com", 3306)),
        ("other://db.example.com:99/d", ("db.example.com", 99)),
        ("other://db.example.com/d", None),
        ("postgres://u@one,two/d", None),
        ("postgres://u@/d?host=/run/postgresql", None),
        ("mysql://u@h/d?unix_socket=/run/s", None),
    ],
)
def test_a_host_reaches_one_server(tmp_path: Path, url: str, address: tuple[str, int] | None) -> None:
    loaded = project(tmp_path, "")
    [host] = [h for h in loaded.config.hosts if h.name == "db-1"]
    ctx: Any = None  # a server that is no service is looked up by nobody
    if address:
        assert seen_from(loaded, ctx, host, "main", urlsplit(url)) == address
    else:
        with pytest.raises(UserError, match="database 'main'"):
            seen_from(loaded, ctx, host, "main", urlsplit(url))
