"""The engine on a real SQLite file, end to end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rawsql_harness import Project
from stagecraft_hookspecs.errors import ConfigError, Interrupted, LockHeld, ProviderError, Refused, TimedOut, UserError
from stagecraft_hookspecs.migration import MigrationPlan


def rows(project: Project, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(project.root / "data.db")) as db:
        return db.execute(sql).fetchall()


def test_applies_files_in_numeric_order(project: Project) -> None:
    project.write("10_third.sql", "INSERT INTO log VALUES ('third');")
    project.write("2_second.sql", "INSERT INTO log VALUES ('second');")
    project.write("001_first.sql", "CREATE TABLE log (word TEXT); INSERT INTO log VALUES ('first');")
    project.write("20260131120000_last.sql", "INSERT INTO log VALUES ('last')")
    assert project.applied() == ["001_first.sql", "2_second.sql", "10_third.sql", "20260131120000_last.sql"]
    assert rows(project, "SELECT word FROM log") == [("first",), ("second",), ("third",), ("last",)]
    assert project.applied() == []


def test_ledger_remembers_what_was_applied(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);\nCREATE TABLE b (x);\n")
    project.apply()
    columns = "name, checksum, applied, total, hashes, finished_at > '2020', runner"
    (row,) = rows(project, f"SELECT {columns} FROM stagecraft_migrations")
    assert row[0] == "001_a.sql"
    assert row[1] == project.discover()[0].checksum
    assert row[2:4] == (2, 2)
    assert [len(h) for h in str(row[4]).split(",")] == [16, 16]
    assert row[5] == 1
    assert "@" in str(row[6])


def test_observing_changes_nothing(project: Project) -> None:
    assert project.observe().applied == ()
    assert not (project.root / "data.db").exists()
    with closing(sqlite3.connect(project.root / "data.db")) as db:
        db.execute("CREATE TABLE mine (x)")
    before = (project.root / "data.db").read_bytes()
    assert project.observe().applied == ()
    assert (project.root / "data.db").read_bytes() == before


def test_failing_file_leaves_nothing_and_says_where(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);")
    project.write("002_b.sql", "CREATE TABLE b (x);\n\n  INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert str(caught.value.where) == "migrations/002_b.sql:3:3"
    assert caught.value.message == "002_b.sql: statement 2 of 2 failed: no such table: nowhere"
    assert "nothing of this file was applied" in caught.value.hint
    assert rows(project, "SELECT name FROM sqlite_master WHERE name IN ('a', 'b')") == [("a",)]
    assert rows(project, "SELECT name FROM stagecraft_migrations") == [("001_a.sql",)]
    project.write("002_b.sql", "CREATE TABLE b (x);")
    assert project.applied() == ["002_b.sql"]


def test_triggers_and_awkward_text(project: Project) -> None:
    project.write(
        "001_t.sql",
        "CREATE TABLE t (x, [end;] TEXT DEFAULT 'a;''b');\n"
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n"
        "  UPDATE t SET x = CASE WHEN x > 1 THEN 1 ELSE 2 END; -- END;\n"
        "  INSERT INTO log VALUES (';'); /* END; */\n"
        "END;\n"
        "CREATE TABLE log (w);\n"
        "INSERT INTO t (x) VALUES (5);",
    )
    project.apply()
    assert rows(project, 'SELECT x, "end;" FROM t') == [(1, "a;'b")]
    assert rows(project, "SELECT w FROM log") == [(";",)]


def test_vacuum_needs_no_transaction(project: Project) -> None:
    project.write("001_v.sql", "CREATE TABLE t (x);\nVACUUM;")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "-- stagecraft: no-transaction" in caught.value.hint
    project.write("001_v.sql", f"{BARE}CREATE TABLE t (x);\nVACUUM;\nPRAGMA journal_mode=WAL;")
    (applied,) = project.apply()
    assert (applied.done, applied.total, applied.complete) == (3, 3, True)
    assert rows(project, "PRAGMA journal_mode") == [("wal",)]


def test_journalled_file_resumes_at_the_failed_statement(project: Project) -> None:
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\nINSERT INTO u VALUES (2);")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "statements 1 to 2 stay applied, and a rerun resumes at statement 3" in caught.value.hint
    (fact,) = project.observe().applied
    assert (fact.done, fact.total, fact.complete) == (2, 3, False)
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);")
    assert project.applied() == ["001_n.sql"]
    assert rows(project, "SELECT x FROM t") == [(1,), (2,)]


def test_applied_statement_of_a_partial_file_may_not_change(project: Project) -> None:
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (x);\nINSERT INTO u VALUES (2);")
    with pytest.raises(ProviderError):
        project.apply()
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (y);\nSELECT 1;")
    with pytest.raises(Refused) as caught:
        project.apply()
    assert "statement 1 of 2 was edited after it was applied" in caught.value.message
    assert str(caught.value.where) == "migrations/001_n.sql:2:1"


def test_unknown_outcome_stops_and_can_be_settled(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\nINSERT INTO u VALUES (1);")
    with pytest.raises(ProviderError):
        project.apply()
    with closing(sqlite3.connect(tmp_path / "data.db")) as db, db:
        since = "running = 2, running_since = '2026-01-01T00:00:00.000Z'"
        db.execute(f"UPDATE stagecraft_migrations SET applied = 1, {since}")
    project.write("001_n.sql", f"{BARE}CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (3);")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "statement 2 of 3 was cut off in an earlier run" in caught.value.message
    key = "001_n.sql:2@2026-01-01T00:00:00.000Z"
    assert f'resolve: {{"{key}": applied}}' in caught.value.hint
    with pytest.raises(UserError, match="cannot be 'yes'"):
        Project(tmp_path, resolve={key: "yes"}).apply()
    assert Project(tmp_path, resolve={key: "applied"}).applied() == ["001_n.sql"]
    assert rows(project, "SELECT x FROM t") == [(1,), (3,)]


def test_edited_file_is_refused_with_both_hashes(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);")
    project.apply()
    old = project.discover()[0].checksum
    project.write("001_a.sql", "CREATE TABLE a (y);")
    new = project.discover()[0].checksum
    (problem,) = project.plan().problems
    hashes = f"recorded {old[:23]}, file {new[:23]}"
    assert str(problem) == f"migrations/001_a.sql:1:1: 001_a.sql was edited after it was applied: {hashes}"
    with pytest.raises(ConfigError):
        project.apply()


def test_line_ends_and_byte_order_mark_are_no_edit(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);\nCREATE TABLE b (x);\n")
    project.apply()
    project.write("001_a.sql", b"\xef\xbb\xbfCREATE TABLE a (x);\r\nCREATE TABLE b (x);\r\n")
    assert project.plan() == MigrationPlan()


def test_file_that_changed_after_planning_is_refused(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);")
    plan = project.plan()
    project.write("001_a.sql", "CREATE TABLE b (x);")
    with pytest.raises(Refused, match="changed after it was planned"):
        project.apply(plan)


def test_link_out_of_the_project_is_refused_when_applied(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    project = Project(tmp_path / "shop")
    file = project.write("001_a.sql", "CREATE TABLE a (x);")
    plan = project.plan()
    (tmp_path / "elsewhere.sql").write_text("CREATE TABLE a (x);")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere.sql")
    with pytest.raises(UserError, match="outside of the project"):
        project.plan()
    with pytest.raises(Refused, match="outside of the project"):
        project.apply(plan)


def test_stale_plan_applies_each_file_once(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);")
    plan = project.plan()
    project.apply(plan)
    assert project.apply(plan) == ()


def test_stale_plan_out_of_order_is_refused(project: Project) -> None:
    project.write("002_b.sql", "CREATE TABLE b (x);")
    stale = project.plan()
    late = project.write("003_c.sql", "CREATE TABLE c (x);")
    (project.root / "migrations" / "002_b.sql").rename(project.root / "kept.sql")
    project.apply()
    late.unlink()
    (project.root / "kept.sql").rename(project.root / "migrations" / "002_b.sql")
    with pytest.raises(ConfigError, match=r"002_b\.sql is out of order: 003_c\.sql was applied already"):
        project.apply(stale)


def test_second_runner_waits_and_then_gives_up(tmp_path: Path) -> None:
    import fcntl
    import os

    project = Project(tmp_path, lock_wait=0.2)
    project.write("001_a.sql", "CREATE TABLE a (x);")
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(LockHeld, match="another run migrates database 'main'"):
            project.apply()
    finally:
        os.close(folder)
    assert project.applied() == ["001_a.sql"]


def test_busy_database_is_tried_again(tmp_path: Path) -> None:
    project = Project(tmp_path, lock_timeout=0.05, lock_retries=1)
    project.write("001_a.sql", "CREATE TABLE a (x);")
    with closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as app:
        app.execute("CREATE TABLE app (x)")
        project.engine.apply(project.ctx, project.database, MigrationPlan())
        assert project.observe().applied == ()
        project.write("000_ledger.sql", "SELECT 1;")
        (zero, one) = project.plan().pending
        project.apply(MigrationPlan((zero,)))
        app.execute("BEGIN IMMEDIATE")
        with pytest.raises(ProviderError) as caught:
            project.apply(MigrationPlan((one,)))
        assert caught.value.message == "001_a.sql got no lock in 2 tries: database is locked"
        assert project.ctx.slept.count(0.5) == 1
        app.execute("COMMIT")
    assert project.applied() == ["001_a.sql"]


def test_interrupt_cancels_the_statement_and_undoes_the_file(project: Project) -> None:
    import threading

    project.write("001_slow.sql", f"CREATE TABLE a (x);\n{SLOW};")
    threading.Timer(0.3, lambda: setattr(project.ctx, "stop", True)).start()
    with pytest.raises(Interrupted):
        project.apply()
    assert rows(project, "SELECT name FROM sqlite_master WHERE name = 'a'") == []


def test_statement_timeout(tmp_path: Path) -> None:
    project = Project(tmp_path, statement_timeout=0.2)
    project.write("001_slow.sql", f"CREATE TABLE a (x);\n{SLOW};")
    with pytest.raises(TimedOut) as caught:
        project.apply()
    assert caught.value.message == "001_slow.sql: statement 2 of 2 was cancelled after 0.2 s"
    assert rows(project, "SELECT name FROM sqlite_master WHERE name = 'a'") == []


BARE = "-- stagecraft: no-transaction\n"
SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def test_absolute_path_and_parameters(tmp_path: Path) -> None:
    project = Project(tmp_path, url=f"sqlite:///{tmp_path}/with%20space.db?mode=rwc")
    project.write("001_a.sql", "CREATE TABLE a (x);")
    assert project.applied() == ["001_a.sql"]
    assert (tmp_path / "with space.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///no/such/folder/x.db", "unable to open database file"),
        ("sqlite:///migrations/001_a.sql", "file is not a database"),
        ("sqlite:///data.db?mode=ro", "unable to open database file"),
    ],
)
def test_database_that_cannot_be_used(tmp_path: Path, url: str, message: str) -> None:
    project = Project(tmp_path, url=url)
    file = project.write("001_a.sql", "CREATE TABLE a (x);" + " " * 600)
    plan = MigrationPlan(project.discover())
    with pytest.raises(ProviderError, match=message) as caught:
        project.apply(plan)
    assert caught.value.hint
    assert file.exists()


def test_read_only_database(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("001_a.sql", "CREATE TABLE a (x);")
    project.apply()
    project.write("002_b.sql", "CREATE TABLE b (x);")
    readonly = Project(tmp_path, url="sqlite:///data.db?mode=ro")
    with pytest.raises(ProviderError, match="readonly") as caught:
        readonly.apply()
    assert "writable" in caught.value.hint


def test_target_stops_before_the_next_file(project: Project) -> None:
    for number in (1, 2, 3):
        project.write(f"00{number}_t.sql", f"CREATE TABLE t{number} (x);")
    assert [m.name for m in project.plan("002_t.sql").pending] == ["001_t.sql", "002_t.sql"]
    assert [m.name for m in project.plan("2").pending] == ["001_t.sql", "002_t.sql"]
    with pytest.raises(UserError, match=r"did you mean '00\d_t.sql'"):
        project.plan("2_t.sql")


def test_transaction_of_a_dead_run_does_not_stop_observing(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x);")
    project.apply()
    path = project.root / "data.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:  # leave a hot journal, as a killed run does
        db.execute("PRAGMA cache_size = 2")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("DELETE FROM stagecraft_migrations")
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9000)"
        db.execute(f"CREATE TABLE big AS {numbers} SELECT x, hex(randomblob(99)) FROM n")
        left = {p.name: p.read_bytes() for p in project.root.glob("data.db*")}
    assert "data.db-journal" in left
    for name, data in left.items():
        (project.root / name).write_bytes(data)
    assert [a.name for a in project.observe().applied] == ["001_a.sql"]


def test_hundred_files(project: Project) -> None:
    for number in range(1, 101):
        project.write(f"{number:04}_x.sql", f"CREATE TABLE t{number} (x);" if number % 10 == 0 else "SELECT 1;")
    assert len(project.apply()) == 100
    assert project.plan() == MigrationPlan()


def test_file_system_without_folder_locks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    project.write("001_a.sql", "CREATE TABLE a (x);")
    assert project.applied() == ["001_a.sql"]
    assert any(line.startswith("warning: no lock on") for line in project.ctx.lines)
    project.write("002_v.sql", f"{BARE}VACUUM;")
    with pytest.raises(ProviderError, match="has no folder locks"):
        project.apply()
