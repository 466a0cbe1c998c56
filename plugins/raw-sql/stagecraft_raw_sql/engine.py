"""The migration engine ``raw``: configuration, and the five methods of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.migration import Applied, Database, Engine, Migration, MigrationFacts, MigrationPlan

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Folder

    from stagecraft_raw_sql.connect import Target
    from stagecraft_raw_sql.session import Session


@attrs.frozen
class RawConfig:
    """Configure the engine ``raw``. Times are in seconds."""

    path: str = attrs.field(default="./migrations", metadata={"help": "folder of the migrations"})
    dialect: str = attrs.field(
        default="",
        validator=attrs.validators.in_(("", "postgresql", "mysql", "sqlite")),
        metadata={
            "help": "postgresql, mysql or sqlite, to have files checked as such while planning; default: the URL tells"
        },
    )
    lock_wait: float = attrs.field(
        default=60.0, validator=attrs.validators.ge(0), metadata={"help": "how long to wait for another run to end"}
    )
    lock_timeout: float = attrs.field(
        default=2.0,
        validator=attrs.validators.ge(0),
        metadata={"help": "how long a statement may wait for a lock, with others waiting behind it; 0: no limit"},
    )
    lock_retries: int = attrs.field(
        default=5, validator=attrs.validators.ge(0), metadata={"help": "how often to try again after lock_timeout"}
    )
    statement_timeout: float = attrs.field(
        default=0.0, validator=attrs.validators.ge(0), metadata={"help": "how long a statement may take; 0: no limit"}
    )
    resolve: Mapping[str, str] = attrs.field(
        factory=dict,
        metadata={"help": "what became of a statement of unknown outcome: applied, or again to run it once more"},
    )


class Raw(Engine):
    """Migrate with plain SQL files, in the order of their numbers: PostgreSQL, MySQL, MariaDB, SQLite."""

    name = "raw"
    Config = RawConfig

    def discover(self, folder: Folder) -> tuple[Migration, ...]:
        """Return the folder's migrations in order. Raises ConfigError with every fault of every file."""
        from stagecraft_raw_sql.files import load

        return tuple(
            Migration(
                name=file.name,
                checksum=file.checksum,
                path=file.path,
                post="post" in file.directives,
                irreversible="irreversible" in file.directives,
                statements=len(file.statements),
            )
            for file in load(folder, self.config.path, self.config.dialect)
        )

    def observe(self, ctx: Context, database: Database) -> MigrationFacts:
        """Read the ledger; a database without one has applied nothing. Raises ProviderError."""
        from stagecraft_raw_sql import ledger
        from stagecraft_raw_sql.connect import parse

        target = parse(database)
        if _not_there_yet(ctx, target):
            return MigrationFacts()
        with self._session(ctx, target, readonly=True) as session:
            return MigrationFacts(tuple(row.record() for row in ledger.read(session)))

    def plan(self, migrations: tuple[Migration, ...], facts: MigrationFacts, target: str = "") -> MigrationPlan:
        """Compare; ``target`` may be a name, a name without ``.sql``, or a number."""
        from stagecraft_raw_sql.plan import compare

        return compare(migrations, facts, target)

    def apply(self, ctx: Context, database: Database, plan: MigrationPlan) -> tuple[Applied, ...]:
        """Apply what is pending, one runner at a time, each file once; all are checked before the first is run."""
        from stagecraft_hookspecs.errors import ConfigError

        from stagecraft_raw_sql import runner
        from stagecraft_raw_sql.connect import parse
        from stagecraft_raw_sql.session import Settings
        from stagecraft_raw_sql.source import reread, whoami

        if plan.problems:
            raise ConfigError(plan.problems)
        target = parse(database)
        files = reread(ctx.root, plan.pending, target.dialect)
        if not files:
            return ()
        settings = Settings(
            retries=self.config.lock_retries,
            statement_timeout=self.config.statement_timeout,
            resolve=self.config.resolve,
            runner=whoami(),
        )
        with self._session(ctx, target, readonly=False) as session:
            ctx.progress(f"waiting for the migration lock of {database.name}")
            session.lock(ctx, self.config.lock_wait)
            return runner.run(ctx, session, files, settings)

    @contextmanager
    def _session(self, ctx: Context, target: Target, *, readonly: bool) -> Iterator[Session]:
        """Open a session; what its driver raises outside of statements becomes the user's error."""
        session = _connect(ctx, target, readonly=readonly, lock_timeout=self.config.lock_timeout)
        try:
            yield session
        except session.errors as error:
            raise session.refused(error) from error
        finally:
            session.close()


def _connect(ctx: Context, target: Target, *, readonly: bool, lock_timeout: float) -> Session:
    if target.dialect == "sqlite":
        from stagecraft_raw_sql.sqlite import SqliteSession

        return SqliteSession(target, ctx.root, readonly=readonly, lock_timeout=lock_timeout)
    if target.dialect == "postgresql":
        from stagecraft_raw_sql.postgres import PostgresSession

        return PostgresSession(target, readonly=readonly, lock_timeout=lock_timeout)
    from stagecraft_raw_sql.mysql import MysqlSession

    return MysqlSession(target, readonly=readonly, lock_timeout=lock_timeout)


def _not_there_yet(ctx: Context, target: Target) -> bool:
    if target.dialect != "sqlite":
        return False
    from stagecraft_raw_sql.sqlite import missing

    return missing(target, ctx.root)
