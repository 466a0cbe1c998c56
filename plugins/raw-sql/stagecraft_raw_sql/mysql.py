"""MySQL and MariaDB: DDL commits by itself, so every statement is journalled in a session of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from stagecraft_hookspecs.errors import LockHeld, ProviderError, StagecraftError, UserError

from stagecraft_raw_sql import mysql_outcome as settled
from stagecraft_raw_sql.connect import driver_missing
from stagecraft_raw_sql.dialects import MYSQL
from stagecraft_raw_sql.ledger import TABLE, definition
from stagecraft_raw_sql.mysql_connect import connect
from stagecraft_raw_sql.mysql_errors import connecting, fault, refused

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from stagecraft_hookspecs.context import Context

    from stagecraft_raw_sql.connect import Target
    from stagecraft_raw_sql.lexer import Statement
    from stagecraft_raw_sql.session import Fault

_POLL = 0.1

#: Seconds after which the server drops a session that says nothing, and with it the lock of a runner that vanished.
_SILENCE = 60


class MysqlSession:
    """Run migrations on a MySQL or MariaDB database.

    The keeper holds the lock and writes the journal; the worker runs the statements and holds a lock too, so that a
    statement which outlives its runner keeps the next runner out. Statements may lock tables, change the database or the
    SQL mode: the journal does not notice.
    """

    dialect = MYSQL
    mark = "%s"
    now = "DATE_FORMAT(UTC_TIMESTAMP(6), '%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ')"
    transactional = False

    def __init__(self, target: Target, *, readonly: bool, lock_timeout: float) -> None:
        import threading

        try:
            import pymysql
        except ImportError as error:
            raise driver_missing("PyMySQL", "mysql") from error
        if not target.path:
            hint = "end the URL with the database's name: mysql://user:password@host/name"
            raise UserError(f"the URL of database {target.label!r} names no database", hint=hint)
        self.errors: tuple[type[Exception], ...] = (pymysql.MySQLError, OSError)
        self._target, self._label = target, target.label
        self._lock_timeout = lock_timeout
        self._open = self._locked_tables = self._moved = self._used = False
        self._turn = (
            threading.Lock()
        )  # the driver's connections are not safe to share, and heartbeats come from outside
        self._worker: Connection[Any] | None = None
        self._keeper = self._connect()
        if readonly:
            _run(self._keeper, "SET SESSION TRANSACTION READ ONLY")
        self.table = f"{_quoted(target.path)}.{TABLE}"

    def _connect(self) -> Connection[Any]:
        import pymysql

        try:
            connection = connect(self._target)
            _run(connection, f"SET SESSION wait_timeout = {_SILENCE}")
            return connection
        except (pymysql.MySQLError, OSError) as error:
            raise connecting(error, self._label, self._target.password) from None

    def refused(self, error: Exception) -> StagecraftError:
        """Return the user's error for a failure that has nothing to do with a statement."""
        return refused(error, self._label)

    def lock(self, ctx: Context, seconds: float) -> None:
        """Take both locks."""
        _run(self._keeper, "SET SESSION sql_mode = 'STRICT_ALL_TABLES', autocommit = 1")
        self._deadline = ctx.monotonic() + seconds
        self._poll(ctx, self._keeper, "keeper")
        self._poll(ctx, self._new_worker(), "worker")

    def _new_worker(self) -> Connection[Any]:
        import pymysql

        self._worker = worker = self._connect()
        if "NO_BACKSLASH_ESCAPES" in str(_rows(worker, "SELECT @@sql_mode")[0][0]):
            hint = "take it out of the server's sql_mode; files are cut at quotes as the standard mode has them"
            raise ProviderError(f"database {self._label!r} runs with sql_mode NO_BACKSLASH_ESCAPES", hint=hint)
        if self._lock_timeout:
            seconds = max(1, round(self._lock_timeout))
            _run(worker, f"SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}")
        with contextlib.suppress(pymysql.MySQLError):  # MariaDB's alone
            _run(worker, "SET SESSION max_statement_time = 0")
        self._locked_tables = self._moved = self._used = False
        return worker

    def _poll(self, ctx: Context, connection: Connection[Any], role: str) -> None:
        """Ask again and again instead of waiting inside the server, so that an interrupt ends it."""
        import hashlib

        digest = hashlib.sha256(self._target.path.encode()).hexdigest()[:32]
        name = f"stagecraft.{role}.{digest}"
        while _rows(connection, "SELECT GET_LOCK(%s, 0)", (name,))[0][0] != 1:
            if ctx.monotonic() >= self._deadline:
                holder = _rows(connection, "SELECT IS_USED_LOCK(%s)", (name,))[0][0]
                by = f": server connection {holder}" if holder else ""
                message = f"another run migrates database {self._label!r}{by}"
                raise LockHeld(message, hint="wait for it to end, or raise lock_wait")
            ctx.sleep(_POLL)

    def has_ledger(self) -> bool:
        """Tell whether the ledger's table is there."""
        sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        return bool(self.fetch(sql, (self._target.path, TABLE))[0][0])

    def make_ledger(self) -> None:
        """Create the ledger's table if it is not there."""
        if not self.has_ledger():
            options = "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            self.book(f"CREATE TABLE IF NOT EXISTS {self.table} ({definition('MEDIUMTEXT')}) {options}")

    def _books(self) -> Connection[Any]:
        return self._work() if self._open else self._keeper

    def _work(self) -> Connection[Any]:
        return cast("Connection[Any]", self._worker)

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return rows."""
        with self._turn:
            return _rows(self._books(), sql, parameters)

    def book(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Write to the ledger: in the worker's transaction if there is one, else in the keeper's session."""
        with self._turn:
            _rows(self._books(), sql, parameters)

    def heartbeat(self) -> None:
        """Keep the keeper's session from falling silent while a statement takes long."""
        with self._turn:
            self._keeper.ping(reconnect=False)

    def begin(self) -> None:
        """Begin a transaction; only for statements that ``atomic`` allows."""
        _run(self._work(), "START TRANSACTION")
        self._open = True

    def commit(self) -> None:
        """Commit, if the keeper still lives and with it the lock."""
        self.heartbeat()
        self._work().commit()
        self._open = False

    def rollback(self) -> None:
        """Undo."""
        if self._open:
            self._open = False
            with contextlib.suppress(*self.errors):
                self._work().rollback()

    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        return self._open

    def unmask(self) -> None:
        """Do nothing: the keeper writes the journal."""

    def reset(self, ctx: Context) -> None:
        """Put a new worker in the place of one that earlier statements may have changed."""
        if self._used:
            self._work().close()
            self._poll(ctx, self._new_worker(), "worker")

    def execute(self, statement: Statement) -> None:
        """Run a statement, drop what it returns, and see that it is committed."""
        work, self._used = self._work(), True
        _run(work, statement.text)
        self._locked_tables = statement.head.startswith("LOCK ") or (
            self._locked_tables and not statement.head.startswith("UNLOCK ")
        )
        self._moved = self._moved or statement.head.startswith("USE ")
        if not self._open and not work.get_autocommit():
            work.commit()

    def cancel(self) -> None:
        """Kill the worker's statement."""
        with contextlib.suppress(*self.errors, StagecraftError):
            killer = self._connect()
            number = int(cast("Any", self._work()).thread_id())
            _run(killer, f"KILL QUERY {number}")
            killer.close()

    def atomic(self, statement: Statement) -> bool:
        """Tell whether a statement surely can share a transaction with its record: rows of InnoDB tables alone."""
        if self._locked_tables or self._moved or not statement.head.startswith(settled.ROWS):
            return False
        others = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND engine <> 'InnoDB'"
        return not self.fetch(others, (self._target.path,))[0][0]

    def fault(self, error: Exception) -> Fault:
        """Explain an error."""
        return fault(error)

    def obstacle(self, statement: Statement) -> tuple[str, str]:
        """Return nothing: InnoDB leaves nothing half-built."""
        return "", ""

    def outcome(self, statement: Statement) -> Literal["applied", "again", ""]:
        """Ask the catalogue about tables; know what can simply run again."""
        return settled.outcome(self.fetch, self._target.path, statement)

    def close(self) -> None:
        """Close both sessions, the worker first."""
        for connection in (self._worker, self._keeper):
            with contextlib.suppress(*self.errors):
                if connection is not None:
                    connection.close()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _rows(connection: Connection[Any], sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(parameters))
        return list(cursor.fetchall())


def _run(connection: Connection[Any], sql: str) -> None:
    """Run text as it is: without parameters, the driver leaves ``%`` alone."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while cursor.nextset():
            pass
