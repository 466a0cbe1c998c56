"""The contract suite of migration engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import CANARY, Call
from stagecraft_hookspecs.contract.doubles import FakeContext, MemoryFolder
from stagecraft_hookspecs.errors import Problem, StagecraftError
from stagecraft_hookspecs.migration import Applied, Database, Engine, Migration, MigrationFacts, MigrationPlan
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.values import Secret


class MigrationContract(ProviderContract):
    """Prove a migration engine. Override ``folder`` with migrations that it understands, ``database`` with a real one."""

    kind: ClassVar[str] = "migration"
    base: ClassVar[type[Provider]] = Engine

    def folder(self) -> MemoryFolder:
        """Return the project's files, migrations among them."""
        return MemoryFolder(samples.FILES)

    def database(self) -> Database:
        """Return a database that nothing answers for, whose URL is secret."""
        return Database("main", Secret("DATABASE_URL", f"postgresql://app:{CANARY}@127.0.0.1:1/shop"), "postgres")

    def migrations(self) -> tuple[Migration, ...]:
        """Return migrations as `discover` would."""
        return (Migration("001_create.sql", "sha256:1"), Migration("002_add.sql", "sha256:2"))

    def pure(self) -> tuple[Call, ...]:
        """Return calls of `discover` and `plan`."""
        first = MigrationFacts((Applied("001_create.sql", "sha256:1", 1, 1),))
        edited = MigrationFacts((Applied("001_create.sql", "sha256:other", 1, 1),))
        facts = (MigrationFacts(), first, edited, MigrationFacts(opaque=True))
        plans = tuple(Call("plan", (self.migrations(), f)) for f in facts)
        return (
            Call("discover", (self.folder(),)),
            Call("discover", (MemoryFolder(),)),
            *plans,
            Call("plan", (self.migrations(), MigrationFacts(), "001_create.sql")),
        )

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of `observe` and `apply`."""
        plan = MigrationPlan(self.migrations())
        return (
            Call("observe", (ctx, self.database())),
            Call("apply", (ctx, self.database(), plan)),
            Call("apply", (ctx, self.database(), MigrationPlan(opaque=True))),
        )

    def test_discovers_migrations(self, provider: Any) -> None:
        """Each has a name of its own; what lies in a file says where."""
        found = provider.discover(self.folder())
        assert isinstance(found, tuple)
        assert all(isinstance(m, Migration) and m.name for m in found)
        assert len({m.name for m in found}) == len(found)
        assert all(self.folder().exists(m.path) for m in found if m.path)

    def test_plans_what_is_not_applied(self, provider: Any) -> None:
        """Everything from nothing, in order; nothing when all is applied."""
        found = provider.discover(self.folder())
        plan = provider.plan(found, MigrationFacts())
        assert isinstance(plan, MigrationPlan)
        assert all(isinstance(problem, Problem) for problem in plan.problems)
        if plan.opaque:
            assert plan.pending == ()
            return
        assert plan.pending == found
        done = MigrationFacts(tuple(Applied(m.name, m.checksum, m.statements, m.statements) for m in found))
        assert provider.plan(found, done) == MigrationPlan()


class MigrationDatabaseContract:
    """Prove an engine on a real database. Give it a fixture ``live``: the context and an empty database.

    The context's root holds the files of ``folder``. Engines that are opaque apply what their tool finds, each time.
    """

    def test_applies_each_once(self, provider: Any, live: tuple[FakeContext, Database]) -> None:
        """After one run nothing is pending, for another instance too; a second run applies nothing."""
        ctx, database = live
        found = provider.discover(self.files())
        assert found, "give `files` some migrations"
        assert provider.observe(ctx, database).applied == ()
        plan = provider.plan(found, provider.observe(ctx, database))
        applied = provider.apply(ctx, database, plan)
        assert [a.name for a in applied] == [m.name for m in found]
        again = type(provider)(provider.config)
        assert [a.name for a in again.observe(ctx, database).applied] == [m.name for m in found]
        assert all(a.complete for a in again.observe(ctx, database).applied)
        assert again.plan(found, again.observe(ctx, database)).pending == ()
        assert again.apply(ctx, database, plan) == (), "the plan was made before the other run; it must look again"

    def test_applies_up_to_a_target(self, provider: Any, live: tuple[FakeContext, Database]) -> None:
        """With a target, later migrations stay pending."""
        ctx, database = live
        found = provider.discover(self.files())
        plan = provider.plan(found, provider.observe(ctx, database), found[0].name)
        assert plan.pending == found[:1]
        provider.apply(ctx, database, plan)
        assert provider.plan(found, provider.observe(ctx, database)).pending == found[1:]

    def test_observing_changes_nothing(self, provider: Any, live: tuple[FakeContext, Database], tmp_path: Path) -> None:
        """Asking twice gives the same answer and applies nothing."""
        ctx, database = live
        assert provider.observe(ctx, database) == provider.observe(ctx, database)

    def test_a_failing_migration_is_a_users_error(self, provider: Any, live: tuple[FakeContext, Database]) -> None:
        """A migration that the database refuses is an error of the tree; those before it stay applied."""
        ctx, database = live
        broken = self.broken()
        broken.write_to(ctx.root)
        plan = provider.plan(provider.discover(broken), provider.observe(ctx, database))
        try:
            provider.apply(ctx, database, plan)
        except StagecraftError as error:
            assert error.message
        else:
            raise AssertionError("a migration that cannot be applied must raise")

    def files(self) -> MemoryFolder:
        """Return the project's files with at least two migrations."""
        return MemoryFolder(samples.FILES)

    def broken(self) -> MemoryFolder:
        """Return the project's files with a migration that the database refuses."""
        return MemoryFolder({**samples.FILES, "migrations/003_broken.sql": "INSERT INTO nowhere VALUES (1);\n"})
