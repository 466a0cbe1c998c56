"""A rollback does not cross a migration that cannot be taken back."""

from __future__ import annotations

import pytest
from stagecraft_hookspecs.errors import Refused
from stagecraft_hookspecs.runtime import Deployment
from stagecraft_hookspecs.values import Release

from stagecraft.run.bundle import Bundle
from stagecraft.run.crossing import refuse_crossing

SOURCE = Release("rel-1", 1, "prod", "v1")


def bundle(*names: str) -> Bundle:
    """Return a bundle whose database `main` has these migrations; one that ends in `!` is irreversible."""
    migrations = tuple({"name": n.rstrip("!"), "irreversible": n.endswith("!")} for n in names)
    return Bundle(Deployment("shop", "prod", (), ()), "r", {}, {}, {}, {"main": migrations})


def test_an_irreversible_migration_in_between_is_named() -> None:
    with pytest.raises(Refused, match=r"irreversible migrations: main/003\.sql") as refused:
        refuse_crossing(bundle("001.sql", "002.sql", "003.sql!"), bundle("001.sql"), SOURCE)
    assert "--across-irreversible" in refused.value.hint


@pytest.mark.parametrize(
    ("serving", "target"),
    [
        (bundle("001.sql!", "002.sql"), bundle("001.sql!")),
        (bundle("001.sql"), bundle("001.sql", "002.sql!")),
        (None, bundle("001.sql!")),
    ],
)
def test_what_the_target_had_or_what_can_be_taken_back_is_no_hindrance(serving: Bundle | None, target: Bundle) -> None:
    refuse_crossing(serving, target, SOURCE)
