"""Inspect and migrate databases outside a deploy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ConfigError, NotFound, UserError
from stagecraft_hookspecs.migration import Applied, Database, Migration, MigrationFacts, MigrationPlan

from stagecraft.run.databases import reached

if TYPE_CHECKING:
    from stagecraft.context import RunContext
    from stagecraft.project import Project
    from stagecraft.run.deploy import Runner


@attrs.frozen
class Inspected:
    """Hold what was found out about one database."""

    database: Database
    engine: str
    migrations: tuple[Migration, ...]
    facts: MigrationFacts
    plan: MigrationPlan


def inspect(project: Project, ctx: RunContext, only: str = "", target: str = "") -> tuple[Inspected, ...]:
    """Compare each database with the project's migrations; changes nothing.

    Raises:
        NotFound: There is no such database; the engine raises it for a migration that does not exist.
        UserError: No database has migrations.
    """
    with contextlib.ExitStack() as stack:
        return tuple(stack.enter_context(_inspected(project, ctx, n, target)) for n in _names(project, only))


@contextlib.contextmanager
def _inspected(project: Project, ctx: RunContext, name: str, target: str, *, make: bool = False) -> Iterator[Inspected]:
    """Give what ``inspect`` finds; the database can be reached within the block."""
    engine = project.engine(name)
    migrations = project.migrations(name)
    with reached(project, ctx, name, make=make) as database:
        with project.blamed():
            facts = engine.observe(ctx, database)
            plan = engine.plan(migrations, facts, target)
        yield Inspected(database, engine.name, migrations, facts, plan)


def migrate(runner: Runner, only: str = "", target: str = "") -> dict[str, list[str]]:
    """Apply what is pending under the environment's lock; return database to the names applied."""
    project = runner.project
    applied: dict[str, list[str]] = {}
    with runner.locked("migrate") as lease, contextlib.ExitStack() as stack:
        # an engine whose tool lives in the application's image runs it in the release that serves
        ctx = runner.serving_context(lease)
        names = _names(project, only)
        for one in [stack.enter_context(_inspected(project, ctx, name, target, make=True)) for name in names]:
            if one.plan.problems:
                raise ConfigError(one.plan.problems)
            done: tuple[Applied, ...] = ()
            if one.plan.pending or one.plan.opaque:
                with project.blamed():
                    done = project.engine(one.database.name).apply(ctx, one.database, one.plan)
            applied[one.database.name] = [a.name for a in done]
    return applied


def _names(project: Project, only: str) -> list[str]:
    names = [n for n, d in sorted(project.config.databases.items()) if d.engine is not None]
    if only and only not in names:
        raise NotFound("database with migrations", only, names)
    if not names:
        raise UserError(
            "no database has migrations",
            hint="describe one: `databases: {main: {migrations: {engine: raw, path: ./migrations}}}`",
        )
    return [only] if only else names
