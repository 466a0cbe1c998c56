"""The table ``stagecraft_migrations``: what was applied, statement by statement."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import attrs
from stagecraft_hookspecs.migration import Applied

from stagecraft_raw_sql.files import SqlFile
from stagecraft_raw_sql.lexer import Statement
from stagecraft_raw_sql.session import Session

TABLE = "stagecraft_migrations"

#: Column to type; ``{text}`` is the engine's type for long text.
COLUMNS = {
    "name": "VARCHAR(255) NOT NULL PRIMARY KEY",
    "seq": "INTEGER NOT NULL",  # the order in which files were begun
    "checksum": "VARCHAR(71) NOT NULL",
    "applied": "INTEGER NOT NULL",  # statements known to have taken effect: the first ones
    "total": "INTEGER NOT NULL",
    "hashes": "{text} NOT NULL",  # one per statement, 16 hex digits of its SHA-256, joined by commas
    "post": "SMALLINT NOT NULL",
    "running": "INTEGER",  # the statement, from 1, that was begun and whose end is not recorded
    "running_since": "VARCHAR(32)",
    "error": "{text}",  # what the server said of statement applied + 1
    "started_at": "VARCHAR(32) NOT NULL",
    "finished_at": "VARCHAR(32)",
    "runner": "VARCHAR(255) NOT NULL",  # user@machine
}
_READ = (
    "seq",
    "name",
    "checksum",
    "applied",
    "total",
    "hashes",
    "post",
    "running",
    "running_since",
    "error",
    "finished_at",
)


@attrs.frozen
class Row:
    """Hold what the ledger says of one file; names as in ``COLUMNS``."""

    seq: int
    name: str
    checksum: str
    applied: int
    total: int
    hashes: tuple[str, ...]
    post: bool
    running: int
    running_since: str
    error: str
    finished_at: str

    def record(self) -> Applied:
        """Return it in the contract's terms."""
        return Applied(self.name, self.checksum, self.applied, self.total, self.finished_at)


def definition(text_type: str) -> str:
    """Return the columns for CREATE TABLE."""
    return ", ".join(f"{name} {type_.format(text=text_type)}" for name, type_ in COLUMNS.items())


def fingerprint(statement: Statement) -> str:
    """Return the hash that stands for a statement's exact text."""
    return hashlib.sha256(statement.text.encode()).hexdigest()[:16]


def fingerprints(statements: Sequence[Statement]) -> tuple[str, ...]:
    """Return the hash of each."""
    return tuple(fingerprint(s) for s in statements)


def fresh(file: SqlFile, applied: int) -> Row:
    """Return the row of a file as it is now, with so many statements applied."""
    return Row(
        seq=0,
        name=file.name,
        checksum=file.checksum,
        applied=applied,
        total=len(file.statements),
        hashes=fingerprints(file.statements),
        post="post" in file.directives,
        running=0,
        running_since="",
        error="",
        finished_at="",
    )


def read(session: Session) -> tuple[Row, ...]:
    """Return all rows in the order in which the files were begun; none without the table."""
    return _rows(session, "ORDER BY seq, name", ()) if session.has_ledger() else ()


def news(session: Session, after: int, name: str) -> tuple[Row, ...]:
    """Return the rows begun after the one with ``seq`` ``after``, and that of ``name``."""
    return _rows(session, f"WHERE seq > {session.mark} OR name = {session.mark} ORDER BY seq, name", (after, name))


def _rows(session: Session, condition: str, parameters: tuple[object, ...]) -> tuple[Row, ...]:
    sql = f"SELECT {', '.join(_READ)} FROM {session.table} {condition}"  # noqa: S608
    return tuple(
        Row(
            seq=int(seq),
            name=str(name),
            checksum=str(checksum),
            applied=int(applied),
            total=int(total),
            hashes=tuple(str(hashes).split(",")),
            post=bool(post),
            running=int(running or 0),
            running_since=str(since or ""),
            error=str(error or ""),
            finished_at=str(finished or ""),
        )
        for seq, name, checksum, applied, total, hashes, post, running, since, error, finished in session.fetch(
            sql, parameters
        )
    )


def claim(session: Session, row: Row, runner: str) -> None:
    """Write a file's first row. Its primary key is the last guard against a second runner."""
    t, m = session.table, session.mark
    session.book(
        f"INSERT INTO {t} (name, seq, checksum, applied, total, hashes, post, started_at, runner) "  # noqa: S608
        f"SELECT {m}, COALESCE(MAX(seq), 0) + 1, {m}, {m}, {m}, {m}, {m}, {session.now}, {m} FROM {t}",
        (row.name, row.checksum, row.applied, row.total, ",".join(row.hashes), int(row.post), runner),
    )


def resume(session: Session, row: Row, runner: str) -> None:
    """Write the file as it is now to a row that is applied in part."""
    m = session.mark
    session.book(
        f"UPDATE {session.table} SET checksum = {m}, total = {m}, hashes = {m}, applied = {m}, running = NULL, "  # noqa: S608
        f"error = NULL, runner = {m} WHERE name = {m}",
        (row.checksum, row.total, ",".join(row.hashes), row.applied, runner, row.name),
    )


def begin(session: Session, name: str, number: int) -> None:
    """Record that a statement is about to run."""
    m = session.mark
    session.book(
        f"UPDATE {session.table} SET running = {m}, running_since = {session.now}, error = NULL WHERE name = {m}",  # noqa: S608
        (number, name),
    )


def done(session: Session, name: str, number: int, *, last: bool) -> None:
    """Record that a statement, and so all up to it, took effect."""
    m, finished = session.mark, f", finished_at = {session.now}" if last else ""
    session.book(
        f"UPDATE {session.table} SET applied = {m}, running = NULL, error = NULL{finished} WHERE name = {m}",  # noqa: S608
        (number, name),
    )


def failed(session: Session, name: str, error: str) -> None:
    """Record that the running statement did not take effect, and what the server said."""
    m = session.mark
    session.book(
        f"UPDATE {session.table} SET running = NULL, error = {m} WHERE name = {m}",  # noqa: S608
        (error[:2000], name),
    )


def finish(session: Session, name: str) -> None:
    """Record when a file that was one transaction was done."""
    sql = f"UPDATE {session.table} SET applied = total, finished_at = {session.now} WHERE name = {session.mark}"  # noqa: S608
    session.book(sql, (name,))
