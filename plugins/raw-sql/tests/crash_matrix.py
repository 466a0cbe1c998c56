"""Kill the runner with SIGKILL at every statement boundary and around every record, run again, and count what went wrong.

    python crash_matrix.py --engine sqlite|postgres|mariadb [--sample N] [--twice N]

Servers are named by ``STAGECRAFT_TEST_POSTGRES`` and ``STAGECRAFT_TEST_MARIADB``. Each point starts from an empty database; the
runner is a forked process that kills itself before, during or after its n-th step. ``--twice N`` adds N random points where the
second run is killed too. What is true is read over connections of the matrix's own, never from the engine.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs

sys.path.insert(0, str(Path(__file__).parent))

from rawsql_harness import Project, ask
from stagecraft_hookspecs.errors import ProviderError

BARE = "-- stagecraft: no-transaction\n"


def mark(word: str) -> str:
    return f"INSERT INTO audit VALUES ('{word}')"


def files(engine: str) -> dict[str, str]:
    """Return the project: every kind of statement that the engine treats in a way of its own."""
    common = {
        "001_start.sql": "CREATE TABLE audit (word VARCHAR(40));\n" + mark("1.2") + ";\n",
        "002_data.sql": ";\n".join(
            [mark("2.1"), "CREATE TABLE b (x INT)", mark("2.3"), "ALTER TABLE b ADD COLUMN y INT", mark("2.5")]
        ),
    }
    if engine == "sqlite":
        third = [
            mark("3.1"),
            "VACUUM",
            "CREATE TABLE c (x INT)",
            mark("3.4"),
            "PRAGMA user_version = 7",
            mark("3.6"),
            "DROP TABLE c",
        ]
    elif engine == "postgres":
        third = [
            mark("3.1"),
            "CREATE INDEX CONCURRENTLY i ON b (x)",
            "VACUUM b",
            mark("3.4"),
            f"SELECT count(*) FROM (SELECT 1) AS one; {mark('3.6')}",
            "CREATE UNIQUE INDEX CONCURRENTLY u ON b (y)",
            "DROP INDEX CONCURRENTLY i",
            "ALTER TYPE mood ADD VALUE 'glad'",
        ]
        common["001_start.sql"] += "CREATE TYPE mood AS ENUM ('sad');\n"
    else:
        third = [
            "SET @word = '3.2'",
            "INSERT INTO audit VALUES (@word)",
            "CREATE TABLE c (x INT)",
            mark("3.4"),
            "ALTER TABLE c ADD COLUMN y INT",
            "LOCK TABLES audit WRITE",
            mark("3.7"),
            "UNLOCK TABLES",
            "CREATE PROCEDURE p() BEGIN INSERT INTO audit VALUES ('3.10'); SELECT 1; END",
            "CALL p()",
            "DROP TABLE c",
        ]
    common["003_bare.sql"] = BARE + ";\n".join(third) + ";\n"
    common["004_end.sql"] = "CREATE TABLE d (x INT);\n" + mark("4.2") + ";"
    return common


@attrs.frozen
class Bed:
    """Make empty databases and ask them things."""

    engine: str
    server: str
    root: Path
    name: str = attrs.field(factory=lambda: f"crash_{os.getpid()}")  # made before any process is forked

    def url(self) -> str:
        if self.engine == "sqlite":
            return "sqlite:///data.db"
        return urlunsplit(urlsplit(self.server)._replace(path=f"/{self.name}"))

    def fresh(self) -> None:
        name = self.url().rsplit("/", 1)[1]
        if self.engine == "sqlite":
            for left in self.root.glob("data.db*"):
                left.unlink()
            return
        force = " WITH (FORCE)" if self.engine == "postgres" else ""
        ask(self.server, f"DROP DATABASE IF EXISTS {name}{force}")
        ask(self.server, f"CREATE DATABASE {name}")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self.engine != "sqlite":
            return ask(self.url(), sql)
        with closing(sqlite3.connect(self.root / "data.db")) as db:
            return db.execute(sql).fetchall()

    def drop(self) -> None:
        if self.engine != "sqlite":
            self.fresh()
            ask(self.server, f"DROP DATABASE {self.url().rsplit('/', 1)[1]}")


def steps(session: type, kill_at: int, count: Callable[[str], None]) -> None:
    """Make the session class count its steps and die at one of them."""
    seen = 0

    def step(what: str) -> None:
        nonlocal seen
        seen += 1
        count(what)
        if seen == kill_at:
            if what.startswith("during"):
                threading.Timer(random.uniform(0.0002, 0.004), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    def wrap(name: str, *, during: bool) -> None:
        real = getattr(session, name)

        def wrapped(self: Any, *arguments: Any) -> Any:
            step(f"before {name}")
            if during:
                step(f"during {name}")
            result = real(self, *arguments)
            step(f"after {name}")
            return result

        setattr(session, name, wrapped)

    for name in ("make_ledger", "begin", "book"):
        wrap(name, during=False)
    for name in ("execute", "commit"):
        wrap(name, during=True)


def session_class(engine: str) -> type:
    if engine == "sqlite":
        from stagecraft_raw_sql.sqlite import SqliteSession as Session
    elif engine == "postgres":
        from stagecraft_raw_sql.postgres import PostgresSession as Session  # type: ignore[assignment]
    else:
        from stagecraft_raw_sql.mysql import MysqlSession as Session  # type: ignore[assignment]
    return Session


def run(bed: Bed, kill_at: int, resolve: dict[str, str] | None = None) -> tuple[int, str, list[str]]:
    """Migrate in a forked process. Return its exit code, its error, and the steps it took."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        code = 1
        try:
            steps(session_class(bed.engine), kill_at, lambda what: os.write(writer, f"{what}\n".encode()) and None)
            Project(bed.root, bed.url(), resolve=resolve or {}).apply()
            code = 0
        except ProviderError as error:
            os.write(writer, f"error {error.message} // {error.hint}\n".encode())
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as stream:
        lines = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    error = next((line for line in lines if line.startswith("error ")), "")
    return os.waitstatus_to_exitcode(status), error, [line for line in lines if not line.startswith("error ")]


def truth(bed: Bed, name: str, number: int) -> bool:
    """Tell whether a statement took effect, by looking."""
    marks = {word for (word,) in bed.ask("SELECT word FROM audit")}
    word = f"{int(name[:3])}.{number}"
    if word in marks:
        return True
    if bed.engine == "postgres" and name == "003_bare.sql" and number == 9:
        return bool(bed.ask("SELECT 1 FROM pg_enum WHERE enumlabel = 'glad'"))
    if bed.engine == "mariadb":
        here = "table_schema = DATABASE()"
        tables = {
            "002_data.sql": {2: "b"},
            "003_bare.sql": {3: "c"},
            "004_end.sql": {1: "d"},
            "001_start.sql": {1: "audit"},
        }
        if table := tables.get(name, {}).get(number):
            return bool(bed.ask(f"SELECT 1 FROM information_schema.tables WHERE {here} AND table_name = '{table}'"))
        if (name, number) in (("002_data.sql", 4), ("003_bare.sql", 5)):
            table = "b" if name.startswith("002") else "c"
            sql = f"SELECT 1 FROM information_schema.columns WHERE {here} AND table_name = '{table}' AND column_name = 'y'"
            return bool(bed.ask(sql))
        if (name, number) == ("003_bare.sql", 9):
            return bool(
                bed.ask(
                    "SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = 'p'"
                )
            )
    return False


def ledger(bed: Bed) -> dict[str, tuple[int, int, int]]:
    try:
        rows = bed.ask("SELECT name, applied, total, running FROM stagecraft_migrations")
    except Exception as error:
        if "stagecraft_migrations" not in str(error):
            raise
        return {}
    return {name: (applied, total, running or 0) for name, applied, total, running in rows}


def audit(bed: Bed) -> Counter[str]:
    try:
        return Counter(word for (word,) in bed.ask("SELECT word FROM audit"))
    except Exception as error:
        if "audit" not in str(error):
            raise
        return Counter()


def unrecorded(bed: Bed) -> list[str]:
    """Return what took effect without a record, and what is recorded without its effect."""
    rows, marks, wrong = ledger(bed), audit(bed), []
    for word in marks:
        name = next(n for n in files(bed.engine) if n.startswith(f"00{word[0]}"))
        number = int(word.split(".")[1])
        applied, _, running = rows.get(name, (0, 0, 0))
        if number > applied and number != running:
            wrong.append(f"{word} took effect without a record")
    for name, (applied, _, _) in rows.items():
        for number in range(1, applied + 1):
            word = f"{int(name[:3])}.{number}"
            if mark(word) in files(bed.engine)[name] and word not in marks:
                wrong.append(f"{word} is recorded and did not take effect")
    return wrong


def settle(bed: Bed) -> tuple[int, list[str]]:
    """Run until all is applied, answering what is asked. Return how many statements were asked about, and faults."""
    asked = 0
    answers: dict[str, str] = {}
    for _ in range(6):
        code, error, _ = run(bed, 0, answers)
        if code == 0:
            return asked, []
        if key := re.search(r'resolve: \{"(.+?)": applied\}', error):
            asked += 1
            name, number = re.match(r"(.+):(\d+)@", key[1]).groups()  # type: ignore[union-attr]
            answers[key[1]] = "applied" if truth(bed, name, int(number)) else "again"
        elif index := re.search(r"run (DROP INDEX CONCURRENTLY \S+);", error):
            bed.ask(index[1])
        else:
            return asked, [f"a rerun failed: {code} {error}"]
    return asked, ["it does not come to an end"]


def verdict(bed: Bed) -> list[str]:
    wrong = [f"{word} took effect {times} times" for word, times in audit(bed).items() if times != 1]
    expected = set(re.findall(r"'(\d\.\d+)'", "".join(files(bed.engine).values())))
    wrong += [f"{word} never took effect" for word in sorted(expected - set(audit(bed)))]
    rows = ledger(bed)
    return wrong + [
        f"{name} is not complete"
        for name in files(bed.engine)
        if rows.get(name, (0, 1, 0))[0] != rows.get(name, (0, 1, 0))[1]
    ]


def point(bed: Bed, kills: tuple[int, ...]) -> tuple[bool, int, list[str]]:
    """Kill at each of ``kills`` in turn, then settle. Return whether it was killed, how much was asked, and faults."""
    bed.fresh()
    killed, faults = False, []
    for kill_at in kills:
        code, error, _ = run(bed, kill_at)
        killed = killed or code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL) and "resolve:" not in error and "DROP INDEX" not in error:
            faults.append(f"unexpected end {code} {error}")
        if bed.engine != "sqlite":
            time.sleep(0.02)  # the server may still be busy with what the dead runner sent
        faults += unrecorded(bed) if code == -signal.SIGKILL and bed.engine == "sqlite" else []
    asked, more = settle(bed)
    return killed, asked, faults + more + verdict(bed)


def matrix(engine: str, *, server: str = "", sample: int = 0, twice: int = 0, seed: int = 1) -> dict[str, int]:
    """Go through the points. Return counts; print the faults."""
    root = Path(tempfile.mkdtemp(prefix="crash-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    bed = Bed(engine, server, root)
    chance = random.Random(seed)
    try:
        for name, text in files(engine).items():
            Project(root, bed.url()).write(name, text)
        bed.fresh()
        code, error, taken = run(bed, 0)
        assert code == 0 and not verdict(bed), (error, verdict(bed))
        points: list[tuple[int, ...]] = [(n,) for n in range(1, len(taken) + 1)]
        points = chance.sample(points, min(sample, len(points))) if sample else points
        points += [(chance.randint(1, len(taken)), chance.randint(1, len(taken) // 2)) for _ in range(twice)]
        counts = Counter({"points": len(points), "killed": 0, "asked": 0, "asked more than once": 0, "faults": 0})
        for kills in points:
            killed, asked, faults = point(bed, kills)
            counts.update(
                {
                    "killed": int(killed),
                    "asked": asked,
                    "asked more than once": int(asked > len(kills)),
                    "faults": len(faults),
                }
            )
            for fault in faults:
                print(f"{engine} {[(k, taken[k - 1]) for k in kills]}: {fault}")
        return dict(counts)
    finally:
        bed.drop()
        shutil.rmtree(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--engine", choices=("sqlite", "postgres", "mariadb"), required=True)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--twice", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = os.environ.get(f"STAGECRAFT_TEST_{options.engine.upper()}", "")
    begun = time.monotonic()
    counts = matrix(options.engine, server=server, sample=options.sample, twice=options.twice, seed=options.seed)
    print(options.engine, ", ".join(f"{k} {v}" for k, v in counts.items()), f"in {time.monotonic() - begun:.1f} s")
    sys.exit(bool(counts["faults"]))


if __name__ == "__main__":
    main()
