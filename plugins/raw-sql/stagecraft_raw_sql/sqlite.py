"""SQLite: one connection, DDL within transactions, locks that the operating system frees when a process dies."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stagecraft_hookspecs.errors import LockHeld, ProviderError, UserError

from stagecraft_raw_sql.dialects import SQLITE
from stagecraft_raw_sql.ledger import TABLE, definition
from stagecraft_raw_sql.session import Fault

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft_raw_sql.connect import Target
    from stagecraft_raw_sql.lexer import Statement

_OPTIONS = frozenset({"mode", "vfs"})
_BUSY, _LOCKED, _READONLY, _IOERR, _CANTOPEN, _FULL, _NOTADB, _CORRUPT = 5, 6, 8, 10, 14, 13, 26, 11
_HINTS = {
    _READONLY: "make the file and its folder writable for this user",
    _CANTOPEN: "its folder must be there and be readable and writable for this user",
    _NOTADB: "the URL points at a file that is no SQLite database",
    _CORRUPT: "the file is damaged; restore a backup, or try `.recover` of the sqlite3 command",
    _FULL: "free disk space; nothing of this file was applied",
    _BUSY: "another program writes to the database; stop it, or raise lock_timeout",
}


class SqliteSession:
    """Run migrations on one SQLite file.

    The lock is twofold. A lock on the database's folder, held from ``lock`` to ``close``, keeps runners apart for the
    whole run, also between files and during statements that cannot be part of a transaction; it leaves no file behind
    and does not keep readers of a database in WAL mode out. Each file is a ``BEGIN EXCLUSIVE`` transaction that looks
    at the ledger again, which keeps runners apart even on file systems without folder locks.
    """

    dialect = SQLITE
    table = f'"main"."{TABLE}"'
    mark = "?"
    now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    transactional = True
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, target: Target, root: Path, *, readonly: bool, lock_timeout: float) -> None:
        self._path = locate(target, root)
        self._label = target.label
        self._folder, self._locked = -1, False
        if unknown := sorted(set(target.options) - _OPTIONS):
            raise UserError(
                f"the URL of database {target.label!r} has an unknown parameter {unknown[0]!r}", hint="known: mode, vfs"
            )
        mode = "ro" if readonly else target.options.get("mode", "rwc")
        try:
            self._db = self._connect(target, mode, lock_timeout)
        except sqlite3.Error as error:
            if not readonly or _code(error) not in (_READONLY, _CANTOPEN):
                raise self.refused(error) from error
            try:  # a run that died left its transaction to be rolled back by whoever comes next
                self._db = self._connect(target, "rw", lock_timeout)
            except sqlite3.Error as again:
                raise self.refused(again) from again

    def _connect(self, target: Target, mode: str, lock_timeout: float) -> sqlite3.Connection:
        from urllib.parse import quote, urlencode

        db = sqlite3.connect(
            f"file:{quote(str(self._path))}?{urlencode({**target.options, 'mode': mode})}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=max(lock_timeout, 0.0),
        )
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchall()  # opening is lazy: read the file now
        except sqlite3.Error:
            db.close()
            raise
        return db

    def refused(self, error: Exception) -> ProviderError:
        """Return the user's error for a failure that has nothing to do with a statement."""
        hint = _HINTS.get(_code(error), "check the file that the database's URL names")
        return ProviderError(f"SQLite database {self._label!r} ({self._path}): {error}", hint=hint)

    def lock(self, ctx: Context, seconds: float) -> None:
        """Lock the database's folder."""
        import fcntl

        deadline = ctx.monotonic() + seconds
        self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        while True:
            try:
                fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._locked = True
                return
            except BlockingIOError:
                if ctx.monotonic() >= deadline:
                    hint = "wait for it to end, or raise lock_wait; lsof on the database's folder shows who it is"
                    raise LockHeld(f"another run migrates database {self._label!r}", hint=hint) from None
                ctx.sleep(0.05)
            except OSError as error:
                ctx.log(
                    f"no lock on {self._path.parent} ({error.strerror}): runners are kept apart file by file",
                    level="warning",
                )
                return

    def has_ledger(self) -> bool:
        """Tell whether the ledger's table is there."""
        found = self.fetch("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (TABLE,))
        return bool(found)

    def make_ledger(self) -> None:
        """Create the ledger's table if it is not there."""
        if not self.has_ledger():
            self.book(f"CREATE TABLE IF NOT EXISTS {self.table} ({definition('TEXT')})")

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return rows."""
        return self._db.execute(sql, tuple(parameters)).fetchall()

    def book(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Write to the ledger."""
        self._db.execute(sql, tuple(parameters))

    def heartbeat(self) -> None:
        """Do nothing: the operating system knows whether this process lives."""

    def begin(self) -> None:
        """Begin a transaction that no other connection can write beside."""
        self._db.execute("BEGIN EXCLUSIVE")

    def commit(self) -> None:
        """Commit."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo; SQLite has done so itself after some errors."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._db.close()  # closing undoes too

    def in_transaction(self) -> bool:
        """Tell whether the transaction is open."""
        return self._db.in_transaction

    def unmask(self) -> None:
        """Do nothing: SQLite has no roles."""

    def reset(self, ctx: Context) -> None:
        """Do nothing: what a PRAGMA sets is meant to stay."""

    def execute(self, statement: Statement) -> None:
        """Run a statement to its end, dropping rows."""
        for _ in self._db.execute(statement.text):
            pass

    def cancel(self) -> None:
        """Interrupt the running statement."""
        self._db.interrupt()

    def atomic(self, statement: Statement) -> bool:
        """Tell whether a statement can share a transaction with its record."""
        return not statement.head.startswith(("VACUUM", "PRAGMA", "ATTACH", "DETACH"))

    def fault(self, error: Exception) -> Fault:
        """Explain an error."""
        code = _code(error)
        if code in (_BUSY, _LOCKED):
            return Fault("lock", str(error), hint=_HINTS[_BUSY])
        hint = _HINTS.get(code, "")
        if "transaction" in str(error):
            hint = "write `-- stagecraft: no-transaction` above the first statement"
        return Fault("lost" if code == _IOERR else "failed", str(error), hint=hint)

    def obstacle(self, statement: Statement) -> tuple[str, str]:
        """Refuse to work outside of transactions where nothing else keeps a second runner out."""
        if self._locked:
            return "", ""
        return (
            "the database's file system has no folder locks",
            "move the database to a local disk, or do without no-transaction",
        )

    def outcome(self, statement: Statement) -> Literal["applied", "again", ""]:
        """Tell that VACUUM, REINDEX, ANALYZE and PRAGMA can simply run again."""
        return "again" if statement.head.split(" ")[0] in ("VACUUM", "REINDEX", "ANALYZE", "PRAGMA") else ""

    def close(self) -> None:
        """Close the connection and free the folder."""
        self._db.close()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def _code(error: Exception) -> int:
    """Return SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def locate(target: Target, root: Path) -> Path:
    """Return the database's absolute path; a relative one is relative to the project's folder."""
    if not target.path or target.path.startswith(":memory:") or target.options.get("mode") == "memory":
        hint = "name a file: sqlite:///data.db below the project, or sqlite:////srv/data.db"
        raise UserError(f"the URL of database {target.label!r} names no file, so nothing would be kept", hint=hint)
    return (root / target.path).resolve()


def missing(target: Target, root: Path) -> bool:
    """Tell whether the file is not there yet: a database without migrations, which applying one creates."""
    return not locate(target, root).exists()
