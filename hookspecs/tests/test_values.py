"""Values are frozen, and none of them shows a secret."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import ConfigError, Mark, NotFound, Problem
from stagecraft_hookspecs.migration import Database
from stagecraft_hookspecs.values import Command, File, Phase, Release, Secret, Status, reference

from .test_light import MODULES

VALUE = "hunter2-the-value"


def _classes() -> list[type[Any]]:
    return [
        cls
        for module in MODULES
        for _, cls in inspect.getmembers(importlib.import_module(f"stagecraft_hookspecs.{module}"), inspect.isclass)
        if attrs.has(cls) and cls.__module__ == f"stagecraft_hookspecs.{module}"
    ]


@pytest.mark.parametrize("cls", _classes(), ids=lambda cls: cls.__name__)
def test_values_are_frozen(cls: type[Any]) -> None:
    fields = attrs.fields(cls)
    blank = object.__new__(cls)
    for name in [f.name for f in fields] or ["anything"]:
        with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
            setattr(blank, name, 1)


@pytest.mark.parametrize(
    "value",
    [
        Secret("TOKEN", VALUE),
        Command(("psql",), env={"PGPASSWORD": Secret("PGPASSWORD", VALUE)}, stdin=Secret("TOKEN", VALUE)),
        Command(("psql",), stdin=VALUE.encode()),
        File(VALUE.encode(), secret=True),
        Database("main", Secret("DATABASE_URL", VALUE)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_shows_a_secret(value: Any) -> None:
    for shown in (repr(value), str(value), f"{value}", repr([value]), json.dumps(value, default=str)):
        assert VALUE not in shown


def test_a_secret_is_revealed_on_purpose_only() -> None:
    secret = Secret("TOKEN", VALUE)
    assert secret.reveal() == VALUE
    assert str(secret) == reference("TOKEN") == "<secret:TOKEN>"


def test_a_command_takes_any_words() -> None:
    assert Command(["ls", "-l"]).argv == ("ls", "-l")


def test_only_a_release_of_completed_and_skipped_phases_is_complete() -> None:
    done = dict.fromkeys(Phase, Status.COMPLETED)
    release = Release("rel-1", 1, "prod", "v1", phases=done)
    assert release.complete
    assert attrs.evolve(release, phases={**done, Phase.MIGRATE_PRE: Status.SKIPPED}).complete
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED):
        assert not attrs.evolve(release, phases={**done, Phase.ROLLOUT: status}).complete
    assert not attrs.evolve(release, phases={**done, Phase.FINALIZE: Status.SKIPPED}).complete
    assert not attrs.evolve(release, error="it failed").complete


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    error = NotFound("environment", "prdo", ["staging", "prod"])
    assert error.message == "no environment 'prdo'; did you mean 'prod'?"
    assert error.hint == "known: prod, staging"
    assert NotFound("release", "x").hint == "there is no release yet"


def test_faults_of_a_file_are_sorted_by_place() -> None:
    error = ConfigError(
        [Problem("b", "", Mark("a.yml", 9)), Problem("a", "do this", Mark("a.yml", 2, 5)), Problem("c")]
    )
    assert str(error) == "c\na.yml:2:5: a\na.yml:9:1: b"
