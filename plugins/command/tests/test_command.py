"""The engine runs the application's own tool in the release's image, and holds it to the contract."""

from __future__ import annotations

import pytest
from stagecraft_command.engine import CommandConfig, CommandEngine
from stagecraft_hookspecs.contract.calls import CANARY
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.errors import CommandFailed, TimedOut, UserError
from stagecraft_hookspecs.migration import Database, MigrationFacts, MigrationPlan
from stagecraft_hookspecs.values import Result, Secret

DATABASE = Database("main", Secret("DATABASE_URL", f"postgresql://app:{CANARY}@db/shop"))
ENGINE = CommandEngine(CommandConfig("api", ("python", "manage.py", "migrate"), 30.0))


def test_runs_the_command_once_in_the_release() -> None:
    ctx = FakeContext(oneoff="Applying shop.0001... OK")
    plan = ENGINE.plan(ENGINE.discover(folder=None), ENGINE.observe(ctx, DATABASE))  # type: ignore[arg-type]
    assert plan == MigrationPlan(opaque=True)
    assert ENGINE.apply(ctx, DATABASE, plan) == ()
    assert ctx.oneoffs == [("api", ("python", "manage.py", "migrate"), 30.0)]
    assert ctx.progressed == ["python manage.py migrate in api"]


def test_a_failure_is_the_tools() -> None:
    failed = FakeContext(oneoff=Result(("python",), 3, "", "no such table"))
    with pytest.raises(CommandFailed) as error:
        ENGINE.apply(failed, DATABASE, MigrationPlan(opaque=True))
    assert error.value.detail == "no such table"
    with pytest.raises(TimedOut):
        ENGINE.apply(FakeContext(oneoff=TimedOut("it took longer than 30 s")), DATABASE, MigrationPlan(opaque=True))


def test_it_cannot_stop_at_a_migration() -> None:
    with pytest.raises(UserError, match="cannot stop at a migration"):
        ENGINE.plan((), MigrationFacts(opaque=True), "0002")


@pytest.mark.parametrize("command", [(), ("",), ("python", "")])
def test_a_command_has_words(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must be a list of words"):
        CommandConfig("api", command)


def test_no_limit_is_0_and_nothing_less() -> None:
    assert CommandConfig("api", ("migrate",), 0.0).timeout == 0
    with pytest.raises(ValueError, match="timeout"):
        CommandConfig("api", ("migrate",), -1.0)
