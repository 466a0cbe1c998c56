"""The engine on a real PostgreSQL server."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from rawsql_harness import Project, ask
from stagecraft_hookspecs.errors import Interrupted, LockHeld, ProviderError, TimedOut, UserError

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.needs("postgres")
BARE = "-- stagecraft: no-transaction\n"


@pytest.fixture
def project(tmp_path: Path, postgres_url: str) -> Project:
    return Project(tmp_path, postgres_url)


def test_applies_once_and_remembers(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x text DEFAULT '50%; $x$');\nINSERT INTO a DEFAULT VALUES;")
    project.write(
        "002_f.sql",
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RETURN ';'; END; $f$;\n"
        "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;\n"
        "INSERT INTO a SELECT f() || g();",
    )
    assert project.observe().applied == ()
    assert project.applied() == ["001_a.sql", "002_f.sql"]
    assert project.applied() == []
    assert ask(project.url, "SELECT x FROM a") == [("50%; $x$",), (";2",)]
    assert [(a.name, a.done, a.total) for a in project.observe().applied] == [("001_a.sql", 2, 2), ("002_f.sql", 3, 3)]


def test_observing_creates_no_table(project: Project) -> None:
    project.observe()
    assert ask(project.url, "SELECT to_regclass('stagecraft_migrations')") == [(None,)]


def test_error_names_the_very_character(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int);\n\nINSERT INTO a\n  VALUES (1, nope);\n")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert str(caught.value.where) == "migrations/001_a.sql:4:14"
    assert caught.value.message == '001_a.sql: statement 2 of 2 failed: column "nope" does not exist'
    assert "nothing of this file was applied" in caught.value.hint
    assert ask(project.url, "SELECT to_regclass('a')") == [(None,)]
    assert project.observe().applied == ()


def test_fault_found_at_commit_undoes_the_file(project: Project) -> None:
    project.write(
        "001_a.sql",
        "CREATE TABLE a (x int PRIMARY KEY, y int REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO a VALUES (1, 2);",
    )
    with pytest.raises(ProviderError, match="violates foreign key constraint"):
        project.apply()
    assert ask(project.url, "SELECT to_regclass('a')") == [(None,)]


def test_index_concurrently(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    project.write("002_i.sql", "CREATE INDEX CONCURRENTLY i ON a (x);")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "-- stagecraft: no-transaction" in caught.value.hint
    project.write("002_i.sql", BARE + "CREATE INDEX CONCURRENTLY i ON a (x);\nVACUUM a;\nINSERT INTO a VALUES (1);")
    assert project.applied() == ["002_i.sql"]
    assert ask(project.url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [(True,)]


def test_invalid_index_is_named_with_the_statement_that_drops_it(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1), (1);")
    project.write("002_i.sql", BARE + 'SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY "I" ON a (x);\nSELECT 2;')
    with pytest.raises(ProviderError, match="could not create unique index"):
        project.apply()
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert caught.value.message == '002_i.sql: statement 2 of 3: an earlier try left the INVALID index public."I"'
    assert caught.value.hint == 'run DROP INDEX CONCURRENTLY public."I"; then run again'
    ask(project.url, 'DROP INDEX CONCURRENTLY public."I"')
    ask(project.url, "TRUNCATE a")
    assert project.applied() == ["002_i.sql"]


@pytest.mark.parametrize(("left", "then"), [("nothing", "again"), ("valid", "applied")])
def test_index_that_was_cut_off_is_looked_up(project: Project, left: str, then: str) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    project.apply()
    project.write("002_i.sql", BARE + "CREATE INDEX CONCURRENTLY i ON a (x);\nCREATE TYPE broken;\nSELECT nope;")
    with pytest.raises(ProviderError):
        project.apply()
    ask(project.url, "UPDATE stagecraft_migrations SET applied = 0, running = 1 WHERE name = '002_i.sql'")
    if left == "nothing":
        ask(project.url, "DROP INDEX i")
    project.write("002_i.sql", BARE + "CREATE INDEX CONCURRENTLY i ON a (x);\nSELECT 1;")
    assert project.applied() == ["002_i.sql"]
    assert ask(project.url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [(True,)], then


def test_statement_of_unknown_outcome_is_named(project: Project) -> None:
    project.write("001_a.sql", BARE + "SELECT 1;\nCALL p();\nSELECT 2;")
    with pytest.raises(ProviderError, match="does not exist"):
        project.apply()
    since = "running_since = '2026-01-01T00:00:00.000000Z'"
    ask(project.url, f"UPDATE stagecraft_migrations SET running = 2, {since}")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "statement 2 of 3 was cut off" in caught.value.message
    assert str(caught.value.where) == "migrations/001_a.sql:3:1"
    key = "001_a.sql:2@2026-01-01T00:00:00.000000Z"
    assert key in caught.value.hint
    assert Project(project.root, project.url, resolve={key: "applied"}).applied() == ["001_a.sql"]


def test_what_a_file_sets_for_its_session_ends_with_it(project: Project) -> None:
    project.write(
        "001_s.sql",
        "CREATE TABLE a (x int); SELECT pg_catalog.set_config('search_path', '', false); SET ROLE pg_monitor;",
    )
    project.write("002_a.sql", "INSERT INTO a VALUES (1);")
    assert project.applied() == ["001_s.sql", "002_a.sql"]
    assert len(project.observe().applied) == 2


def test_schema_that_hides_the_first_ledger_does_not_start_anew(project: Project) -> None:
    project.write("001_s.sql", "CREATE TABLE a (x int); CREATE SCHEMA postgres;")
    project.apply()
    ask(project.url, "CREATE SCHEMA IF NOT EXISTS AUTHORIZATION CURRENT_USER")
    assert len(project.observe().applied) == 1
    assert project.applied() == []


def test_waiting_alter_gives_way_to_readers(tmp_path: Path, postgres_url: str) -> None:
    project = Project(tmp_path, postgres_url, lock_timeout=0.3, lock_retries=2)
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    project.apply()
    project.write("002_b.sql", "ALTER TABLE a ADD COLUMN y int;")
    stalls: list[float] = []
    stop = threading.Event()

    def read() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as reader:
            while not stop.is_set():
                begun = time.monotonic()
                reader.execute("SELECT count(*) FROM a")
                stalls.append(time.monotonic() - begun)
                time.sleep(0.01)

    with psycopg.connect(postgres_url) as report:
        report.execute("SELECT * FROM a")  # a transaction that stays open
        thread = threading.Thread(target=read)
        thread.start()
        try:
            with pytest.raises(ProviderError) as caught:
                project.apply()
        finally:
            stop.set()
            thread.join()
    assert caught.value.message.startswith("002_b.sql: statement 1 of 1 got no lock in 3 tries")
    assert 0.2 < max(stalls) < 0.8
    assert project.applied() == ["002_b.sql"]


def test_index_concurrently_waits_longer_than_lock_timeout(tmp_path: Path, postgres_url: str) -> None:
    project = Project(tmp_path, postgres_url, lock_timeout=0.2, lock_retries=0)
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    project.write("002_i.sql", BARE + "CREATE INDEX CONCURRENTLY i ON a (x);")
    project.apply(project.plan("1"))
    with psycopg.connect(postgres_url) as report:
        report.execute("INSERT INTO a VALUES (1)")
        timer = threading.Timer(1.0, report.rollback)
        timer.start()
        begun = time.monotonic()
        assert project.applied() == ["002_i.sql"]
        assert time.monotonic() - begun > 0.5
        timer.join()


def test_interrupt_cancels_on_the_server(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int); SELECT pg_sleep(60);")
    threading.Timer(0.5, lambda: setattr(project.ctx, "stop", True)).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        project.apply()
    assert time.monotonic() - begun < 5
    assert ask(project.url, "SELECT to_regclass('a')") == [(None,)]
    assert ask(
        project.url,
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
    ) == [(0,)]


def test_statement_timeout_wins_over_the_roles_own(tmp_path: Path, postgres_url: str) -> None:
    ask(postgres_url, "CREATE TABLE a (x int)")
    name = postgres_url.rsplit("/", 1)[1]
    ask(postgres_url, f"ALTER DATABASE {name} SET statement_timeout = 100")
    project = Project(tmp_path, postgres_url, statement_timeout=1.0)
    project.write("001_a.sql", "SELECT pg_sleep(0.4);")
    assert project.applied() == ["001_a.sql"]
    project.write("002_b.sql", "SELECT pg_sleep(30);")
    with pytest.raises(TimedOut, match="cancelled after 1 s"):
        project.apply()


def test_lost_worker_leaves_nothing(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x int); SELECT pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "was cut off" in caught.value.message
    assert ask(project.url, "SELECT to_regclass('a')") == [(None,)]


def test_lost_keeper_stops_the_commit(project: Project) -> None:
    project.write(
        "001_a.sql",
        "CREATE TABLE a (x int); SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()); SELECT pg_sleep(0.2);",
    )
    with pytest.raises(ProviderError):
        project.apply()
    assert ask(project.url, "SELECT to_regclass('a')") == [(None,)]


def test_holder_is_named(tmp_path: Path, postgres_url: str) -> None:
    first = Project(tmp_path, postgres_url)
    first.write("001_a.sql", "SELECT pg_sleep(2);")
    plan = first.plan()
    thread = threading.Thread(target=first.apply, args=(plan,))
    thread.start()
    time.sleep(0.7)
    with pytest.raises(
        LockHeld, match=r"another run migrates database 'main': stagecraft migrate \S+@\S+, server process \d+"
    ):
        Project(tmp_path, postgres_url, lock_wait=0.3).apply(plan)
    thread.join()


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (lambda u: "postgresql://nobody_here:s3cr3t" + u[u.index("@") :], "nobody_here", "user"),
        (lambda u: u.rsplit("/", 1)[0] + "/no_such_db", "does not exist", "create the database"),
        (lambda u: "postgresql://someone:s3cr3t@127.0.0.1:1/x", "onnection refused", "start the server"),
        (lambda u: "postgresql://someone:s3cr3t@no-such-host.invalid/x", "host", "correct the host"),
        (
            lambda u: "postgresql://someone:s3cr3t@/x?host=/no/such/folder",
            "No such file",
            "correct the socket's folder",
        ),
    ],
)
def test_database_that_cannot_be_reached(tmp_path: Path, postgres_url: str, change, message: str, hint: str) -> None:  # type: ignore[no-untyped-def]
    project = Project(tmp_path, change(postgres_url))
    begun = time.monotonic()
    with pytest.raises(ProviderError) as caught:
        project.observe()
    assert time.monotonic() - begun < 2
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "s3cr3t" not in repr(caught.value) + caught.value.hint + caught.value.detail + str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:s3cr3t@h/db?schema=public", "unknown parameter 'schema'"),
        ("postgres+asyncpg://u:s3cr3t@[::1/db", "cannot be read"),
    ],
)
def test_url_that_libpq_refuses(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises((UserError, ProviderError)) as caught:
        Project(tmp_path, url).observe()
    assert message in caught.value.message
    assert "s3cr3t" not in repr(caught.value)


def test_missing_rights(tmp_path: Path, postgres_url: str) -> None:
    role = postgres_url.rsplit("/", 1)[1]
    ask(postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        at = postgres_url.index("@")
        project = Project(tmp_path, f"postgresql://{role}:pw{postgres_url[at:]}")
        project.write("001_a.sql", "CREATE TABLE a (x int);")
        with pytest.raises(ProviderError, match="permission denied for schema public") as caught:
            project.apply()
        assert "grant" in caught.value.hint
    finally:
        ask(postgres_url, f"DROP ROLE {role}")


def test_read_only_database(project: Project) -> None:
    name = project.url.rsplit("/", 1)[1]
    ask(project.url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    with pytest.raises(ProviderError, match="read-only") as caught:
        project.apply()
    assert "primary" in caught.value.hint
