"""`stagecraft plugins new` and `plugins test`, as users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stagecraft.cli.commands.plugins import COMMANDS
from stagecraft.kernel.kinds import KINDS


def run(*words: str, cwd: Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stagecraft", "plugins", *words]
    around = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    done = subprocess.run(command, cwd=cwd, env={**around, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_plugin_is_made_and_proved(tmp_path: Path) -> None:
    made = run("new", "vault", "--kind", "secrets", cwd=tmp_path).stdout
    assert made.startswith("made stagecraft-vault, a secrets named vault:\n  .gitignore\n  README.md\n")
    assert made.endswith("next: stagecraft plugins test stagecraft-vault\n")
    proved = run("test", "stagecraft-vault", cwd=tmp_path).stdout
    assert proved.endswith("stagecraft-vault: keeps to the contract\n")
    again = run("new", "vault", "--kind", "secrets", cwd=tmp_path, code=1)
    assert again.stderr.startswith("error: ")
    assert "is there already and not empty\nhint: give another folder with --path" in again.stderr
    elsewhere = json.loads(run("new", "vault", "--kind", "cloud", "--path", "deep/er", "--json", cwd=tmp_path).stdout)
    assert elsewhere["folder"] == str(tmp_path / "deep" / "er")
    assert "tests/test_contract.py" in elsewhere["files"]


def test_the_project_here_is_meant_when_nothing_is_named(tmp_path: Path) -> None:
    run("new", "edge", "--kind", "network", "--path", ".", cwd=tmp_path)
    plugin = tmp_path / "stagecraft_edge" / "plugin.py"
    plugin.write_text(plugin.read_text().replace('name = "edge"', 'name = "Edge"'))
    broken = run("test", cwd=tmp_path, code=1).stdout
    assert "test_has_a_name" in broken
    assert broken.endswith("breaks the contract\n")


def test_an_installed_plugin_is_held_to_what_holds_for_all(tmp_path: Path) -> None:
    document = json.loads(run("test", "generic", "--json", cwd=tmp_path).stdout)
    assert [(one["subject"], one["passed"]) for one in document] == [("generic", True)]
    assert " passed" in document[0]["output"]


def test_what_cannot_be_tested_is_named(tmp_path: Path) -> None:
    unknown = run("test", "generik", cwd=tmp_path, code=1).stderr
    assert unknown.startswith("error: no plugin or folder 'generik'; did you mean 'generic'?\n")
    (tmp_path / "folder").mkdir()
    folder = run("test", "folder", cwd=tmp_path, code=1).stderr
    assert folder.startswith("error: folder is no plugin's project")
    run("new", "edge", "--kind", "network", "--path", "edge", cwd=tmp_path)
    (tmp_path / "edge" / "tests" / "test_contract.py").unlink()
    (tmp_path / "edge" / "tests").rmdir()
    assert "has no folder `tests`" in run("test", "edge", cwd=tmp_path, code=1).stderr


def test_without_pytest_the_command_that_brings_it_is_named(tmp_path: Path) -> None:
    run("new", "edge", "--kind", "network", "--path", "edge", cwd=tmp_path)
    hide = "import importlib.util as u\nfind = u.find_spec\nu.find_spec = lambda n, *a: None if n == 'pytest' else find(n, *a)\n"
    (tmp_path / "sitecustomize.py").write_text(hide)
    missing = run("test", "edge", cwd=tmp_path, code=2, PYTHONPATH=str(tmp_path)).stderr
    assert missing.startswith("error: pytest is not installed")
    assert '-m pip install "stagecraft-hookspecs[contract]"' in missing


def test_the_help_names_every_kind() -> None:
    new = next(command for command in COMMANDS if command.name == "plugins new")
    kind = next(flag for flag in new.flags if flag.name == "kind")
    assert sorted(kind.choices) == sorted(KINDS)
