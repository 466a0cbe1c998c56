"""`stagecraft plugins new` makes a project whose contract tests pass as they are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import NotFound, ProviderError, Refused, UserError

from stagecraft.kernel.kinds import KINDS
from stagecraft.plugins_new import generate, names_of
from stagecraft.plugins_new.generate import contents


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a plugin of every kind and run all their tests, with no network and none of them installed."""
    root = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        generate(names_of(f"acme-{kind}", kind), root / kind)
    (root / "pytest.ini").write_text(f"[pytest]\npythonpath = {' '.join(KINDS)}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--import-mode=importlib", "."]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_its_contract_tests_pass(kind: str, tested: str) -> None:
    outcomes = re.findall(rf"^(PASSED|FAILED|ERROR) {kind}/tests/", tested, re.MULTILINE)
    assert len(outcomes) > 15
    assert set(outcomes) == {"PASSED"}, tested


def test_they_pass_in_its_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stagecraft-vault"
    generate(names_of("vault", "secrets"), folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore", "README.md", "pyproject.toml", "stagecraft_vault", "tests",
    ]  # fmt: skip


def test_they_fail_when_the_plugin_breaks_the_contract(tmp_path: Path) -> None:
    generate(names_of("vault", "secrets"), tmp_path)
    plugin = tmp_path / "stagecraft_vault" / "plugin.py"
    plugin.write_text(plugin.read_text().replace("stdin=value", "env={'VALUE': value.reveal()}"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "test_secrets_are_not_shown" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_distribution_that_needs_the_contract_alone(kind: str) -> None:
    files = contents(names_of("acme", kind))
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "stagecraft-acme"
    assert project["entry-points"]["stagecraft"] == {"acme": "stagecraft_acme.plugin"}
    assert [word.partition(">")[0] for word in project["dependencies"]] == ["stagecraft-hookspecs", "attrs"]
    tree = ast.parse(files["stagecraft_acme/plugin.py"])
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    third = {name.partition(".")[0] for name in modules | names} - set(sys.stdlib_module_names)
    assert third == {"attrs", "stagecraft_hookspecs"}
    assert "$" not in files["README.md"].replace("$ ", "")


@pytest.mark.parametrize(
    "name", ["-x", "Vault", "a b", "a--b", "a-", "1st", "vault;rm", "../up", "über", "a" * 41, "a_b"]
)
def test_refuses_names_that_are_none(name: str) -> None:
    with pytest.raises(UserError, match="cannot be a plugin's name") as error:
        names_of(name, "secrets")
    assert "my-secrets" in error.value.hint


def test_other_names_that_cannot_be() -> None:
    with pytest.raises(UserError, match="give the plugin a name"):
        names_of("", "secrets")
    with pytest.raises(UserError) as error:
        names_of("stagecraft-vault", "secrets")
    assert error.value.hint == "call it 'vault'"
    with pytest.raises(Refused, match="taken by Stagecraft itself"):
        names_of("hookspecs", "secrets")
    with pytest.raises(NotFound, match="no kind 'secret'; did you mean 'secrets'"):
        names_of("vault", "secret")
    with pytest.raises(UserError, match="say what the plugin provides"):
        names_of("vault", "")


def test_overwrites_nothing(tmp_path: Path) -> None:
    names = names_of("vault", "secrets")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in ("used", "file", "link"):
        with pytest.raises(Refused, match="is there already"):
            generate(names, tmp_path / taken)
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "empty").mkdir()
    assert generate(names, tmp_path / "empty")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderError, match=r"cannot write .*file"):
        generate(names_of("vault", "secrets"), tmp_path / "file" / "deep")
