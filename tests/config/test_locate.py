"""Where the configuration is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import UserError

from stagecraft.config import find


def write(path: Path, text: str = "project: {name: shop}\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["stagecraft.yml", "stagecraft.yaml", "stagecraft.toml"])
def test_each_name_is_found(tmp_path: Path, name: str) -> None:
    expected = write(tmp_path / name)
    assert find(tmp_path, None, {}) == expected


def test_a_table_in_pyproject_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "pyproject.toml", '[tool.stagecraft]\nproject = {name = "shop"}\n')
    assert find(tmp_path, None, {}) == path


def test_a_pyproject_without_the_table_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[project]\nname = "x"\ndependencies = ["stagecraft"]\n')
    expected = write(tmp_path / "stagecraft.yml")
    assert find(tmp_path, None, {}) == expected


def test_parents_are_searched_up_to_the_repository(tmp_path: Path) -> None:
    write(tmp_path / "stagecraft.yml")
    repository = tmp_path / "repo"
    (repository / ".git").mkdir(parents=True)
    inside = repository / "a" / "b"
    inside.mkdir(parents=True)
    with pytest.raises(UserError, match="no configuration here") as caught:
        find(inside, None, {})
    assert f"in {inside} and above it up to {repository}" in caught.value.message
    assert "stagecraft.yml, stagecraft.yaml, stagecraft.toml or [tool.stagecraft]" in caught.value.message
    assert "stagecraft init" in caught.value.hint
    expected = write(repository / "stagecraft.yml")
    assert find(inside, None, {}) == expected


def test_two_in_one_folder_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "stagecraft.yml")
    write(tmp_path / "pyproject.toml", "[tool.stagecraft]\n")
    with pytest.raises(UserError, match=r"stagecraft\.yml and \[tool\.stagecraft\] in pyproject\.toml") as caught:
        find(tmp_path, None, {})
    assert "--config stagecraft.yml" in caught.value.hint
    assert find(tmp_path, "stagecraft.yml", {}).name == "stagecraft.yml"


def test_the_flag_wins_over_the_variable_and_both_over_the_search(tmp_path: Path) -> None:
    write(tmp_path / "stagecraft.yml")
    flag, variable = write(tmp_path / "a" / "x.yml"), write(tmp_path / "b" / "stagecraft.yml")
    assert find(tmp_path, "a/x.yml", {"STAGECRAFT_CONFIG": str(variable)}) == flag
    assert find(tmp_path, None, {"STAGECRAFT_CONFIG": str(variable)}) == variable
    assert find(tmp_path, "b", {}) == variable


@pytest.mark.parametrize(("explicit", "environ", "source"), [
    ("nowhere.yml", {}, "--config"), (None, {"STAGECRAFT_CONFIG": "nowhere.yml"}, "STAGECRAFT_CONFIG"),
    ("empty", {}, "--config"),
])  # fmt: skip
def test_a_named_file_that_is_not_there(
    tmp_path: Path, explicit: str | None, environ: dict[str, str], source: str
) -> None:
    write(tmp_path / "stagecraft.yml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"no configuration .*which {source} names") as caught:
        find(tmp_path, explicit, environ)
    assert source in caught.value.hint


def test_a_broken_pyproject_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "stagecraft = [broken")
    expected = write(tmp_path / "stagecraft.yml")
    assert find(tmp_path, None, {}) == expected
