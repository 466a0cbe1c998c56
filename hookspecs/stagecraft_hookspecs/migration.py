"""Migration: an engine that brings a database's schema to what the release needs.

A whole plugin is this file, ``stagecraft_flyway/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.migration import Applied, Engine, Migration, MigrationFacts, MigrationPlan
    from stagecraft_hookspecs.values import Command

    @attrs.frozen
    class FlywayConfig:
        path: str = attrs.field(default="./sql", metadata={"help": "folder of the migrations"})

    class Flyway(Engine):
        '''Migrate with the `flyway` command.'''

        name = "flyway"
        Config = FlywayConfig

        def discover(self, folder):
            return tuple(Migration(f.rsplit("/", 1)[1]) for f in folder.glob(f"{self.config.path}/V*.sql"))

        def observe(self, ctx, database):
            env = {"FLYWAY_URL": database.url}
            names = ctx.machine().run(Command(("flyway", "info", "-q"), env=env)).stdout.split()
            return MigrationFacts(tuple(Applied(n) for n in names))

        def plan(self, migrations, facts, target=""):
            done = {a.name for a in facts.applied}
            return MigrationPlan(tuple(m for m in migrations if m.name not in done))

        def apply(self, ctx, database, plan):
            ctx.machine().run(Command(("flyway", "migrate"), env={"FLYWAY_URL": database.url}))
            return tuple(Applied(m.name) for m in plan.pending)

    @hookimpl
    def stagecraft_migration():
        return Flyway

with the entry point ``flyway = "stagecraft_flyway.plugin"`` in the group ``stagecraft``. ``discover`` and ``plan`` are pure.
``apply`` holds a lock in the database itself and looks again under it, so that two deployers apply each migration once. Prove
yours with ``contract.migration.MigrationContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.errors import Problem
    from stagecraft_hookspecs.values import Folder, Secret


@attrs.frozen
class Database:
    """Name a database and how to reach it.

    Attributes:
        name: Its key under ``databases``.
        url: The connection URL, resolved when the run begins; a ``Secret``.
        service: The compose service that it is, if it is one.
    """

    name: str
    url: Secret
    service: str = ""


@attrs.frozen
class Migration:
    """Describe one migration of the project's files.

    Attributes:
        name: Its file's name; unique, and the order is the engine's.
        checksum: ``sha256:…`` of its content; empty where the engine cannot know.
        path: Relative to the project.
        post: Marked to run after the rollout, whatever the database's strategy.
        irreversible: Marked so that a rollback must not cross it.
        statements: How many statements it has; 0 where the engine cannot know.
    """

    name: str
    checksum: str = ""
    path: str = ""
    post: bool = False
    irreversible: bool = False
    statements: int = 0


@attrs.frozen
class Applied:
    """Describe a migration as the database remembers it: ``done`` of ``total`` statements; equal when it is complete."""

    name: str
    checksum: str = ""
    done: int = 0
    total: int = 0
    at: str = ""

    @property
    def complete(self) -> bool:
        """Tell whether all of its statements were applied."""
        return self.done >= self.total


@attrs.frozen
class MigrationFacts:
    """Hold what the database remembers, in the order applied. ``opaque``: the engine's tool alone knows."""

    applied: tuple[Applied, ...] = ()
    opaque: bool = False


@attrs.frozen
class MigrationPlan:
    """Hold what is to be applied, in order, and why it may not be: edited, removed, duplicate or out-of-order files.

    ``opaque`` is set by engines whose tool finds out for itself; then ``apply`` is called with nothing pending.
    """

    pending: tuple[Migration, ...] = ()
    problems: tuple[Problem, ...] = ()
    opaque: bool = False


class Engine(Provider):
    """Find, compare and apply migrations.

    Attributes:
        connects: Whether it connects to ``database.url`` from this machine. Where only a host reaches the database, the URL then
            leads there, through a port of this machine; one whose tool runs elsewhere says False and gets the URL as written.
    """

    connects: ClassVar[bool] = True

    @abstractmethod
    def discover(self, folder: Folder) -> tuple[Migration, ...]:
        """Return the project's migrations in order; raises ConfigError for files that cannot be right. Pure."""

    @abstractmethod
    def observe(self, ctx: Context, database: Database) -> MigrationFacts:
        """Ask the database what it has; change nothing. Raises ProviderError."""

    @abstractmethod
    def plan(self, migrations: tuple[Migration, ...], facts: MigrationFacts, target: str = "") -> MigrationPlan:
        """Compare, up to and including ``target`` when it is given. Pure."""

    @abstractmethod
    def apply(self, ctx: Context, database: Database, plan: MigrationPlan) -> tuple[Applied, ...]:
        """Apply under the database's own lock, looking again under it; return what this call applied. Safe to repeat."""


@hookspec
def stagecraft_migration() -> type[Engine] | Iterable[type[Engine]]:  # type: ignore[empty-body]
    """Return migration engines. Called once, when an engine is looked up by name; nothing is constructed."""
