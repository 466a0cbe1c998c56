"""The register of features is true, and its check finds each kind of untruth."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.features import KEYS, Feature, faults, read_features

ROOT = Path(__file__).parents[2]


def test_the_register_is_true() -> None:
    assert faults(read_features(ROOT), ROOT) == []


def test_every_distribution_owns_a_feature() -> None:
    owned = {feature.owner for feature in read_features(ROOT)}
    plugins = {f"stagecraft-{path.parent.name}" for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert plugins | {"stagecraft", "stagecraft-hookspecs"} <= owned


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("spec/core", "tests", "stagecraft"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "spec/core/plan.md").write_text("---\nfeature: CORE_PLAN\n---\n# Plan\n")
    (tmp_path / "tests/test_plan.py").write_text("")
    return tmp_path


def feature(**changed: object) -> Feature:
    values: dict[str, object] = {
        "id": "CORE_PLAN",
        "title": "Plan",
        "status": "done",
        "spec": "spec/core/plan.md",
        "owner": "stagecraft",
        "tests": ("tests/test_plan.py",),
        "depends_on": (),
    }
    return Feature(**{**values, **changed})  # type: ignore[arg-type]


def test_a_true_entry_has_no_faults(checkout: Path) -> None:
    assert faults([feature()], checkout) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "plan"}, "plan: the id does not match"),
        ({"status": "ready"}, "status is 'ready'"),
        ({"owner": "stagecraft-none"}, "owner stagecraft-none is not in this checkout"),
        ({"tests": ("tests/test_none.py",)}, "tests/test_none.py does not exist"),
        ({"tests": ()}, "is done, but has no tests"),
        ({"spec": "spec/core/none.md"}, "is done, but spec/core/none.md does not exist"),
        ({"depends_on": ("CORE_NONE",)}, "depends on CORE_NONE, which is not registered"),
        ({"depends_on": ("CORE_PLAN",)}, "in a circle: CORE_PLAN -> CORE_PLAN"),
    ],
)
def test_an_untrue_entry_is_named(checkout: Path, changed: dict[str, object], said: str) -> None:
    assert said in "\n".join(faults([feature(**changed)], checkout))


def test_an_id_that_stands_twice_is_named(checkout: Path) -> None:
    assert faults([feature(), feature()], checkout) == ["CORE_PLAN: is registered twice"]


def test_a_feature_is_not_done_before_what_it_depends_on(checkout: Path) -> None:
    other = feature(id="CORE_CONFIG", status="wip", spec="spec/core/config.md")
    found = faults([feature(depends_on=("CORE_CONFIG",)), other], checkout)
    assert found == ["CORE_PLAN: is done, but CORE_CONFIG, on which it depends, is not"]


def test_a_page_names_its_feature_and_every_page_is_registered(checkout: Path) -> None:
    (checkout / "spec/core/plan.md").write_text("# Plan\n")
    (checkout / "spec/core/extra.md").write_text("---\nfeature: CORE_EXTRA\n---\n")
    assert faults([feature()], checkout) == [
        "CORE_PLAN: spec/core/plan.md does not say `feature: CORE_PLAN` at its top",
        "spec/core/extra.md: no feature has this page",
    ]


@pytest.mark.parametrize("key", KEYS)
def test_an_entry_without_one_of_its_keys_is_refused(checkout: Path, key: str) -> None:
    entry = {
        "id": "CORE_PLAN",
        "title": "t",
        "status": "todo",
        "spec": "s",
        "owner": "o",
        "tests": [],
        "depends_on": [],
    }
    del entry[key]
    (checkout / "spec/features.yaml").write_text(yaml.safe_dump({"features": [entry]}))
    with pytest.raises(ValueError, match="they must be"):
        read_features(checkout)
