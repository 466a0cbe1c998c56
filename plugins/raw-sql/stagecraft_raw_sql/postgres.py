"""PostgreSQL: one session keeps the lock and the journal, another does the work."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from stagecraft_hookspecs.errors import LockHeld, ProviderError, StagecraftError

from stagecraft_raw_sql import postgres_connect as connecting
from stagecraft_raw_sql import postgres_errors as meaning
from stagecraft_raw_sql import postgres_index as index
from stagecraft_raw_sql.connect import driver_missing
from stagecraft_raw_sql.dialects import POSTGRESQL
from stagecraft_raw_sql.ledger import TABLE, definition

if TYPE_CHECKING:
    import psycopg
    from stagecraft_hookspecs.context import Context

    from stagecraft_raw_sql.connect import Target
    from stagecraft_raw_sql.lexer import Statement
    from stagecraft_raw_sql.session import Fault

#: First half of the advisory lock's key: "SCmi". The second half is 1 for the keeper, 2 for the worker.
_CLASS = 0x53436D69
_KEEPER, _WORKER = 1, 2
_POLL = 0.1

_RESET = (
    "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; "
    "DISCARD TEMP; DISCARD SEQUENCES"
)


class PostgresSession:
    """Run migrations on a PostgreSQL database.

    The lock is a session's advisory lock, polled: a session that *waited* for it would hold a snapshot that CREATE INDEX
    CONCURRENTLY waits for in turn. The session that does the work holds a second one, so that a statement which outlives its
    runner still keeps the next runner out.
    """

    dialect = POSTGRESQL
    mark = "%s"
    now = """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    transactional = True

    def __init__(self, target: Target, *, readonly: bool, lock_timeout: float) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise driver_missing("psycopg", "postgres") from error
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self._target, self._label = target, target.label
        self._settings = connecting.settings(readonly=readonly, lock_timeout=lock_timeout)
        self._worker: psycopg.Connection[Any] | None = None
        self._used = False
        self._keeper = self._open()
        self.table = ""
        try:
            self._find_ledger()
        except BaseException as error:
            self.close()
            if isinstance(error, psycopg.Error):
                raise self.refused(error) from error
            raise

    def _open(self) -> psycopg.Connection[Any]:
        return connecting.connect(self._target, self._settings)

    def refused(self, error: Exception) -> StagecraftError:
        """Return the user's error for a failure that has nothing to do with a statement."""
        return meaning.refused(error, self._label)

    def lock(self, ctx: Context, seconds: float) -> None:
        """Take both locks."""
        deadline = ctx.monotonic() + seconds
        self._poll(ctx, self._keeper, _KEEPER, deadline)
        self._worker = self._open()
        if (
            self._worker.execute("SELECT pg_backend_pid()").fetchone()
            == self._keeper.execute("SELECT pg_backend_pid()").fetchone()
        ):
            hint = "use a URL that leads to the server itself, or to a pooler in session mode"
            message = f"database {self._label!r} is reached through a pooler in transaction mode, which keeps no locks"
            raise ProviderError(message, hint=hint)
        self._poll(ctx, self._worker, _WORKER, deadline)

    def _poll(self, ctx: Context, connection: psycopg.Connection[Any], key: int, deadline: float) -> None:
        while True:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_CLASS, key)).fetchone()
            if row and row[0]:
                return
            if ctx.monotonic() >= deadline:
                raise LockHeld(
                    f"another run migrates database {self._label!r}{self._holder()}",
                    hint="wait for it to end, or raise lock_wait",
                )
            ctx.sleep(_POLL)

    def _holder(self) -> str:
        rows = self.fetch(
            "SELECT a.application_name, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted "
            "AND l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND l.classid = %s AND a.pid <> pg_backend_pid() ORDER BY l.objid LIMIT 1",
            (_CLASS,),
        )
        return f": {rows[0][0] or 'a session'}, server process {rows[0][1]}" if rows else ""

    def _find_ledger(self) -> bool:
        """Set ``table`` to the ledger that the search path shows, or to where it will be made."""
        rows = self.fetch(
            "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relname = %s AND c.relkind IN ('r', 'p') "
            "AND pg_catalog.pg_table_is_visible(c.oid)",
            (TABLE,),
        )
        schema = rows or self.fetch("SELECT quote_ident(current_schema())")
        if schema[0][0] is None:
            hint = "create the schema public, or set search_path for the database's user"
            raise ProviderError(f"database {self._label!r} has no schema on its search path", hint=hint)
        self.table = f"{schema[0][0]}.{TABLE}"
        return bool(rows)

    def has_ledger(self) -> bool:
        """Tell whether the ledger's table is there."""
        return bool(self.fetch("SELECT to_regclass(%s) IS NOT NULL", (self.table,))[0][0])

    def make_ledger(self) -> None:
        """Create the ledger's table if it is not there."""
        if not self._find_ledger():
            self.book(f"CREATE TABLE IF NOT EXISTS {self.table} ({definition('TEXT')})")

    def _books(self) -> psycopg.Connection[Any]:
        return self._worker if self._worker and self.in_transaction() else self._keeper

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return rows."""
        return self._books().execute(sql.encode(), tuple(parameters)).fetchall()

    def book(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Write to the ledger: in the worker's transaction, else in the keeper's session, which no statement can disturb."""
        self._books().execute(sql.encode(), tuple(parameters))

    def _work(self) -> psycopg.Connection[Any]:
        return cast("psycopg.Connection[Any]", self._worker)

    def heartbeat(self) -> None:
        """Do nothing: TCP keepalives do it."""

    def begin(self) -> None:
        """Begin the worker's transaction."""
        self._work().execute("BEGIN")

    def commit(self) -> None:
        """Commit, if the keeper still lives and with it the lock."""
        import psycopg

        self._keeper.execute("SELECT 1")
        if self._work().execute("COMMIT").statusmessage != "COMMIT":
            raise psycopg.OperationalError("the server rolled the transaction back")

    def rollback(self) -> None:
        """Undo."""
        with contextlib.suppress(*self.errors):
            if self._worker and not self._worker.closed and self._worker.info.transaction_status:
                self._worker.execute("ROLLBACK")

    def in_transaction(self) -> bool:
        """Tell whether the worker's transaction is open and sound."""
        return self._worker is not None and int(self._worker.info.transaction_status) in (1, 2)  # ACTIVE, INTRANS

    def unmask(self) -> None:
        """Be the user of the connection again."""
        self._work().execute("RESET SESSION AUTHORIZATION; RESET ROLE")

    def reset(self, ctx: Context) -> None:
        """Reset the worker's session."""
        if self._used:
            self._work().execute(_RESET)
            connecting.tune(self._work(), self._settings)
            self._used = False

    def execute(self, statement: Statement) -> None:
        """Run a statement; one that locks CONCURRENTLY may wait, for nobody waits behind it."""
        self._used, work = True, self._work()
        patient = index.concurrent(statement)
        if patient:
            work.execute("SET lock_timeout = 0")
        work.execute(statement.text.encode())
        if patient:
            work.execute("SELECT set_config('lock_timeout', %s, false)", (self._settings["lock_timeout"],))

    def cancel(self) -> None:
        """Ask the server to end the worker's statement."""
        with contextlib.suppress(*self.errors):
            self._work().cancel()

    def atomic(self, statement: Statement) -> bool:
        """Tell whether a statement surely can share a transaction with its record."""
        return bool(index.ATOMIC.match(statement.head)) and not index.concurrent(statement)

    def fault(self, error: Exception) -> Fault:
        """Explain an error."""
        return meaning.fault(error, broken=any(c is not None and c.closed for c in (self._worker, self._keeper)))

    def obstacle(self, statement: Statement) -> tuple[str, str]:
        """Find the INVALID index that a failed CREATE INDEX CONCURRENTLY left."""
        return index.leftover(self.fetch, statement)

    def outcome(self, statement: Statement) -> Literal["applied", "again", ""]:
        """Ask the catalogue about indexes; know what can simply run again."""
        return index.outcome(self.fetch, statement)

    def close(self) -> None:
        """Close both sessions, the worker first."""
        for connection in (self._worker, self._keeper):
            with contextlib.suppress(*self.errors):
                if connection is not None:
                    connection.close()
