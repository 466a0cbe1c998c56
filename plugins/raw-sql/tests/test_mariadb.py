"""The engine on a real MariaDB server."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from rawsql_harness import Project, ask, mariadb
from stagecraft_hookspecs.errors import Interrupted, LockHeld, ProviderError, Refused, TimedOut, UserError
from stagecraft_raw_sql import mysql
from stagecraft_raw_sql.connect import parse
from stagecraft_raw_sql.mysql_connect import connect

pytestmark = pytest.mark.needs("mariadb")


@pytest.fixture
def project(tmp_path: Path, mariadb_url: str) -> Project:
    return Project(tmp_path, mariadb_url)


def test_applies_once_and_remembers(project: Project) -> None:
    project.write(
        "001_a.sql", "CREATE TABLE `a;` (x VARCHAR(40)); # one;\nINSERT INTO `a;` VALUES ('50%\\';'); -- two;\n"
    )
    project.write(
        "002_p.sql",
        "DELIMITER $$\n"
        "CREATE PROCEDURE p() BEGIN DECLARE i INT DEFAULT 0; WHILE i < 3 DO INSERT INTO `a;` VALUES (i); SET i = i + 1; "
        "END WHILE; END$$\n"
        "DELIMITER ;\n"
        "CALL p();\n"
        "CREATE TRIGGER t BEFORE INSERT ON `a;` FOR EACH ROW BEGIN IF NEW.x = 'y' THEN SET NEW.x = 'z'; END IF; END;\n"
        "/*!40101 INSERT INTO `a;` VALUES ('y') */;\n"
        "LOCK TABLES `a;` WRITE; INSERT INTO `a;` VALUES ('locked'); UNLOCK TABLES;\n",
    )
    assert project.observe().applied == ()
    assert project.applied() == ["001_a.sql", "002_p.sql"]
    assert project.applied() == []
    assert [x for (x,) in ask(project.url, "SELECT x FROM `a;`")] == ["50%';", "0", "1", "2", "z", "locked"]
    assert [(a.name, a.done, a.total) for a in project.observe().applied] == [("001_a.sql", 2, 2), ("002_p.sql", 7, 7)]


def test_observing_creates_no_table(project: Project) -> None:
    project.observe()
    assert ask(project.url, "SHOW TABLES") == []


def test_failing_statement_is_named_and_a_rerun_resumes_there(project: Project) -> None:
    project.write(
        "001_a.sql",
        "CREATE TABLE a (x INT);\nINSERT INTO a\n  VALUES (1);\nINSERT INTO a\n VALUES 2;\nINSERT INTO a VALUES (3);",
    )
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "001_a.sql: statement 3 of 4 failed: You have an error in your SQL syntax" in caught.value.message
    assert str(caught.value.where) == "migrations/001_a.sql:5:1"
    assert "statements 1 to 2 stay applied, and a rerun resumes at statement 3" in caught.value.hint
    assert [(a.done, a.total) for a in project.observe().applied] == [(2, 4)]
    project.write(
        "001_a.sql",
        "CREATE TABLE a (x INT);\nINSERT INTO a\n  VALUES (1);\nINSERT INTO a\n VALUES (2);\nINSERT INTO a VALUES (3);",
    )
    assert project.applied() == ["001_a.sql"]
    assert ask(project.url, "SELECT x FROM a") == [(1,), (2,), (3,)]


def test_what_a_file_set_for_its_session_is_set_again_on_a_rerun(project: Project) -> None:
    project.write("001_a.sql", "SET @word = 'hello';\nCREATE TABLE a (x TEXT);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(ProviderError):
        project.apply()
    project.write("001_a.sql", "SET @word = 'hello';\nCREATE TABLE a (x TEXT);\nINSERT INTO a VALUES (@word);")
    project.apply()
    assert ask(project.url, "SELECT x FROM a") == [("hello",)]


def test_what_a_file_sets_for_its_session_ends_with_it(project: Project) -> None:
    project.write(
        "001_a.sql", "CREATE TABLE a (x TEXT); SET autocommit = 0; SET @w = 1; INSERT INTO a VALUES (@w); USE mysql;"
    )
    project.write("002_b.sql", "INSERT INTO a VALUES (@w);")
    assert project.applied() == ["001_a.sql", "002_b.sql"]
    assert ask(project.url, "SELECT x FROM a") == [("1",), (None,)]


def test_applied_statement_of_a_partial_file_may_not_change(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nINSERT INTO b VALUES (1);")
    with pytest.raises(ProviderError):
        project.apply()
    project.write("001_a.sql", "CREATE TABLE a (y INT);\nSELECT 1;")
    with pytest.raises(Refused, match="statement 1 of 2 was edited after it was applied"):
        project.apply()


@pytest.mark.parametrize(
    ("statement", "before", "settled"),
    [
        ("CREATE TABLE b (x INT)", "", True),
        ("CREATE TABLE b (x INT)", "CREATE TABLE b (x INT)", False),
        ("DROP TABLE a", "", True),
        ("DROP TABLE a", "DROP TABLE a", True),
        ("CREATE TABLE IF NOT EXISTS b (x INT)", "CREATE TABLE b (x INT)", True),
        ("ALTER TABLE a ADD COLUMN y INT", "", False),
    ],
)
def test_statement_that_was_cut_off(project: Project, statement: str, before: str, settled: bool) -> None:
    project.write("001_a.sql", f"CREATE TABLE a (x INT);\n{statement};\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(ProviderError):
        project.apply()
    for undo in ("DROP TABLE IF EXISTS a", "DROP TABLE IF EXISTS b", "CREATE TABLE a (x INT)", before):
        if undo:
            ask(project.url, undo)
    since = "2026-01-01T00:00:00.000000Z"
    ask(project.url, f"UPDATE stagecraft_migrations SET applied = 1, running = 2, running_since = '{since}'")
    project.write("001_a.sql", f"CREATE TABLE a (x INT);\n{statement};\nSELECT 1;")
    if settled:
        assert project.applied() == ["001_a.sql"]
        return
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "statement 2 of 3 was cut off" in caught.value.message
    answer = "applied" if before else "again"
    assert Project(project.root, project.url, resolve={f"001_a.sql:2@{since}": answer}).applied() == ["001_a.sql"]


def test_waiting_alter_gives_way(tmp_path: Path, mariadb_url: str) -> None:
    project = Project(tmp_path, mariadb_url, lock_timeout=1, lock_retries=1)
    project.write("001_a.sql", "CREATE TABLE a (x INT) ENGINE = InnoDB;")
    project.apply()
    project.write("002_b.sql", "ALTER TABLE a ADD COLUMN y INT;")
    with mariadb(mariadb_url) as report:
        report.begin()
        report.cursor().execute("SELECT * FROM a")
        with pytest.raises(ProviderError) as caught:
            project.apply()
        report.rollback()
    assert caught.value.message.startswith("002_b.sql: statement 1 of 1 got no lock in 2 tries")
    assert project.applied() == ["002_b.sql"]


def test_interrupt_kills_the_statement(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nSELECT SLEEP(60);")
    threading.Timer(0.5, lambda: setattr(project.ctx, "stop", True)).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        project.apply()
    assert time.monotonic() - begun < 5
    project.ctx.stop = False
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nSELECT 1;")
    assert project.applied() == ["001_a.sql"]


def test_statement_timeout(tmp_path: Path, mariadb_url: str) -> None:
    project = Project(tmp_path, mariadb_url, statement_timeout=0.5)
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nSELECT BENCHMARK(10000000000, SHA2('x', 512));")
    with pytest.raises(TimedOut, match=r"statement 2 of 2 was cancelled after 0\.5 s"):
        project.apply()


def test_long_statement_keeps_the_lock_alive(tmp_path: Path, mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_SILENCE", 2)
    monkeypatch.setattr("stagecraft_raw_sql.watch._HEARTBEAT", 0.5)
    project = Project(tmp_path, mariadb_url)
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nDO SLEEP(4);\nINSERT INTO a VALUES (1);")
    assert project.applied() == ["001_a.sql"]


def test_lost_connection_is_told_and_settled_by_the_next_run(project: Project) -> None:
    project.write("001_a.sql", "CREATE TABLE a (x INT);\nKILL CONNECTION_ID();\nSELECT 1;")
    with pytest.raises(ProviderError) as caught:
        project.apply()
    assert "statement 2 of 3 was cut off" in caught.value.message
    with pytest.raises(ProviderError, match="whether it took effect is unknown"):
        project.apply()


def test_holder_is_named(tmp_path: Path, mariadb_url: str) -> None:
    first = Project(tmp_path, mariadb_url)
    first.write("001_a.sql", "DO SLEEP(2);")
    plan = first.plan()
    thread = threading.Thread(target=first.apply, args=(plan,))
    thread.start()
    time.sleep(0.7)
    with pytest.raises(LockHeld, match=r"another run migrates database 'main': server connection \d+"):
        Project(tmp_path, mariadb_url, lock_wait=0.3).apply(plan)
    thread.join()


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("{scheme}://nobody:s3cr3t@{server}/{name}", "Access denied", "check user and password"),
        ("{account}/no_such_db", "Unknown database", "create the database"),
        ("mysql://u:s3cr3t@127.0.0.1:1/x", "Can't connect", "start the server"),
        ("mysql://u:s3cr3t@no-such-host.invalid/x", "Can't connect", "correct host"),
        ("mysql://u:s3cr3t@localhost/x?unix_socket=/no/such", "Can't connect", "start the server"),
    ],
)
def test_database_that_cannot_be_reached(tmp_path: Path, mariadb_url: str, url: str, message: str, hint: str) -> None:
    account, name = mariadb_url.rsplit("/", 1)
    parts = {"scheme": "mysql+pymysql", "server": account.rsplit("@", 1)[1], "name": name, "account": account}
    begun = time.monotonic()
    with pytest.raises(ProviderError) as caught:
        Project(tmp_path, url.format(**parts)).observe()
    assert time.monotonic() - begun < 2
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "s3cr3t" not in repr(caught.value) + caught.value.hint


def test_another_address_than_the_servers_name(tmp_path: Path, mariadb_url: str) -> None:
    """A forwarded port is connected to, and the name, which nobody here resolves, stays for TLS to compare."""
    login, _, server = mariadb_url.rpartition("@")
    address, _, rest = server.partition(":")
    url = f"{login}@db.invalid:{rest}?hostaddr={address}"
    project = Project(tmp_path, url)
    project.write("001_a.sql", "CREATE TABLE a (x int);")
    assert project.applied() == ["001_a.sql"]
    assert ask(mariadb_url, "SELECT count(*) FROM a") == [(0,)]
    assert connect(parse(project.database)).host == "db.invalid"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:s3cr3t@h", "names no database"),
        ("mysql://u:s3cr3t@h/db?colour=red", "unknown parameter 'colour'"),
        ("mysql://u:s3cr3t@h/db?ssl-mode=maybe", "unknown ssl-mode 'maybe'"),
        ("mysql://u:s3cr/3t@h/db", "cannot be read"),
        ("mysql://u:s3cr3t@h/db?connect_timeout=soon", "connect_timeout that is no number"),
    ],
)
def test_url_that_cannot_be_right(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Project(tmp_path, url).observe()
    assert message in caught.value.message
    assert "s3cr" not in repr(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__ and "")


def test_missing_rights(tmp_path: Path, mariadb_url: str) -> None:
    name = mariadb_url.rsplit("/", 1)[1]
    user = name[-20:]
    for host in ("localhost", "%"):
        ask(mariadb_url, f"CREATE USER '{user}'@'{host}' IDENTIFIED BY 'pw'")
        ask(mariadb_url, f"GRANT SELECT ON {name}.* TO '{user}'@'{host}'")
    try:
        project = Project(tmp_path, f"mariadb://{user}:pw{mariadb_url[mariadb_url.rindex('@') :]}")
        project.write("001_a.sql", "CREATE TABLE a (x INT);")
        with pytest.raises(ProviderError, match="command denied") as caught:
            project.apply()
        assert "grant" in caught.value.hint
    finally:
        for host in ("localhost", "%"):
            ask(mariadb_url, f"DROP USER '{user}'@'{host}'")
