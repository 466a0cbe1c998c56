"""What the runner needs of an engine: a lock, a transaction, a place to keep books, the meaning of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from stagecraft_raw_sql.dialects import Dialect

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.errors import StagecraftError

    from stagecraft_raw_sql.lexer import Statement


@attrs.frozen
class Fault:
    """Say what a driver's exception means.

    Attributes:
        kind: ``lock``: another session is in the way, nothing happened, try again. ``lost``: the connection is gone,
            and with it the knowledge of what happened. ``failed``: the server said no.
        message: The server's own words, one line.
        offset: Where in the statement, in characters from 0; -1 if the server does not say.
        hint: The next step, where this error has one of its own.
        line: Where in the statement, from 1; 0 if the server does not say.
    """

    kind: Literal["lock", "lost", "failed"]
    message: str
    offset: int = -1
    hint: str = ""
    line: int = 0


class Failed(Exception):
    """Carry a fault to where it is known whether to try again; ``number`` is the statement, 0 for the bookkeeping."""

    def __init__(self, fault: Fault, number: int, error: Exception) -> None:
        super().__init__(fault.message)
        self.fault, self.number, self.error = fault, number, error


@attrs.frozen
class Settings:
    """Hold what a run needs of the configuration. Times in seconds.

    Attributes:
        retries: How often to try again when another session's locks are in the way.
        statement_timeout: Until a statement is cancelled; 0: never.
        resolve: What became of statements of unknown outcome: ``FILE:STATEMENT@SINCE`` to ``applied`` or ``again``.
        runner: Who runs: ``user@machine``.
        backoff: The pause before the first retry; each further one doubles it.
    """

    retries: int = 5
    statement_timeout: float = 0.0
    resolve: Mapping[str, str] = attrs.field(factory=dict)
    runner: str = ""
    backoff: float = 0.5


class Session(Protocol):
    """Work on one database. ``fetch`` and ``book`` are for the ledger, ``execute`` for the project's statements.

    Attributes:
        table: The ledger's name, quoted, and qualified where the search path could change.
        mark: How a parameter is written.
        now: An expression for the database's own clock: RFC 3339, UTC.
        transactional: Whether DDL can be part of a transaction.
        errors: The driver's exceptions.
    """

    dialect: Dialect
    table: str
    mark: str
    now: str
    transactional: bool
    errors: tuple[type[Exception], ...]

    def lock(self, ctx: Context, seconds: float) -> None:
        """Become the only runner, or raise ``LockHeld`` after ``seconds``. The lock dies with this process."""
        ...

    def has_ledger(self) -> bool:
        """Tell whether the ledger's table is there."""
        ...

    def make_ledger(self) -> None:
        """Create the ledger's table if it is not there."""
        ...

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return rows."""
        ...

    def book(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Write: in the work transaction if one is open, else at once."""
        ...

    def heartbeat(self) -> None:
        """Show that this runner lives, while a statement runs. Called from another thread than the statement's."""
        ...

    def begin(self) -> None:
        """Begin the work transaction."""
        ...

    def commit(self) -> None:
        """Commit it, having made sure that the lock is still held."""
        ...

    def rollback(self) -> None:
        """Undo it; does nothing without one. Never raises."""
        ...

    def in_transaction(self) -> bool:
        """Tell whether the work transaction is still open."""
        ...

    def unmask(self) -> None:
        """Take back the role that statements may have taken on, so that the ledger can be written."""
        ...

    def reset(self, ctx: Context) -> None:
        """Take back everything that an earlier file may have set for its session."""
        ...

    def execute(self, statement: Statement) -> None:
        """Run one of the project's statements and discard what it returns."""
        ...

    def cancel(self) -> None:
        """End the statement that another thread runs. Never raises."""
        ...

    def atomic(self, statement: Statement) -> bool:
        """Tell whether a statement surely can share a transaction with its record, and so never ends unknown."""
        ...

    def fault(self, error: Exception) -> Fault:
        """Explain an exception of ``errors``."""
        ...

    def refused(self, error: Exception) -> StagecraftError:
        """Return the user's error for an exception that has nothing to do with a statement of the project."""
        ...

    def obstacle(self, statement: Statement) -> tuple[str, str]:
        """Return what stands in the statement's way, and the next step: a half-built index of its name."""
        ...

    def outcome(self, statement: Statement) -> Literal["applied", "again", ""]:
        """Find out what became of a statement that was cut off; empty where the database cannot tell."""
        ...

    def close(self) -> None:
        """Close every connection, which frees the lock. Never raises."""
        ...
