"""What users see of good and broken plugins, in processes of their own with distributions on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import GOOD, Site

COMPOSE = "services:\n  web: {build: ., command: [python3, -m, http.server], ports: ['8080:8000']}\n"
CONFIG = "project: {name: shop}\nruntime: process\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    (folder / "stagecraft.yml").write_text(CONFIG)
    return folder


def stagecraft(cwd: Path, site: Path, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    around = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    around |= {"PYTHONPATH": str(site), **env}
    command = [sys.executable, "-m", "stagecraft", *words]
    done = subprocess.run(command, cwd=cwd, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def installed(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site")


def test_a_broken_plugin_that_nobody_needs_troubles_nobody(project: Path, installed: Site) -> None:
    installed.add("bad", "import sys; print('imported'); sys.exit(7)")
    done = stagecraft(project, installed.folder, "plan")
    assert "imported" not in done.stdout
    assert done.stderr == ""


def test_the_list_shows_what_is_wrong_with_each(project: Path, installed: Site) -> None:
    installed.add("bad", "import sys; sys.exit(7)")
    installed.add("wrong", GOOD.replace("return One\n", "return 3\n"))
    installed.add("raises", GOOD.replace("return One\n", "return 1 / 0\n"))
    installed.add("fine")
    installed.add("twice", dist="acme-twice")
    installed.add("twice", dist="zeta-twice")
    done = stagecraft(project, installed.folder, "plugins", "list", "--json", code=1)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["bad"]["fault"] == "SystemExit: 7"
    assert rows["wrong"]["fault"] == "acme-wrong: stagecraft_backend must return classes, not int 3"
    assert rows["raises"]["fault"].startswith("plugin 'raises' (acme-raises) raised ZeroDivisionError")
    assert rows["twice"]["fault"] == "claimed by acme-twice and zeta-twice"
    assert (rows["fine"]["provides"], rows["fine"]["fault"]) == (["backend:fine"], "")
    assert rows["process"]["fault"] == ""


def test_help_stands_although_plugins_are_broken(project: Path, installed: Site) -> None:
    installed.add("bad", "raise RuntimeError('no')")
    hook = "from stagecraft_hookspecs import hookimpl\n@hookimpl\ndef stagecraft_commands(): BODY\n"
    installed.add("raises", hook.replace("BODY", "return 1 / 0"))
    installed.add("wrong", hook.replace("BODY", "return ['hello']"))
    good = "from stagecraft_hookspecs.commands import CommandLine\n" + hook
    greet = "return [CommandLine('hello', 'Greet somebody', lambda flags, session: session.say('hi') or 0)]"
    installed.add("good", good.replace("BODY", greet))
    done = stagecraft(project, installed.folder, "--help")
    assert "Greet somebody" in done.stdout
    assert done.stderr.splitlines() == [
        "warning: plugin bad (acme-bad) cannot be loaded: RuntimeError: no",
        "warning: the commands of plugin raises are left out: "
        "plugin 'raises' (acme-raises) raised ZeroDivisionError: division by zero",
        "warning: the commands of plugin wrong are left out: "
        "stagecraft_commands of wrong must return command lines, not ['hello']",
    ]
    assert stagecraft(project, installed.folder, "hello").stdout == "hi\n"


def test_a_plugin_that_the_project_names_must_load(project: Path, installed: Site) -> None:
    installed.add("bad", "raise RuntimeError('no')")
    (project / "stagecraft.yml").write_text(CONFIG + "plugins: [bad]\n")
    done = stagecraft(project, installed.folder, "plan", code=2)
    assert done.stderr.startswith("error: plugin 'bad' (acme-bad) cannot be loaded: RuntimeError: no\nhint: ")
    assert "Traceback" not in done.stderr
    assert "Traceback" in stagecraft(project, installed.folder, "plan", "--verbose", code=2).stderr
    assert stagecraft(project, installed.folder, "plan", "--no-plugins").stderr == ""


def test_a_plan_that_a_plugin_spoils_names_it(project: Path, installed: Site) -> None:
    body = "from stagecraft_hookspecs import hookimpl\n@hookimpl\ndef stagecraft_plan(deployment): BODY\n"
    (project / "stagecraft.yml").write_text(CONFIG + "plugins: [bad]\n")
    for code, said in (("1 / 0", "ZeroDivisionError: division by zero"), ("raise SystemExit(9)", "SystemExit: 9")):
        installed.add("bad", body.replace("BODY", code))
        done = stagecraft(project, installed.folder, "plan", code=3)
        assert done.stderr.startswith(f"error: plugin 'bad' (acme-bad) raised {said}\n")


def test_only_the_plugins_that_the_environment_names(project: Path, installed: Site) -> None:
    installed.add("bad", "raise RuntimeError('no')")
    rows = json.loads(
        stagecraft(
            project, installed.folder, "plugins", "list", "--json", STAGECRAFT_PLUGINS="process, local,,nowhere"
        ).stdout
    )
    assert [row["name"] for row in rows] == ["local", "process"]
    left_out = stagecraft(project, installed.folder, "plan", code=1, STAGECRAFT_PLUGINS="local").stderr
    assert left_out.startswith("error: stagecraft.yml:2:10: runtime: no runtime provider 'process'")


def test_a_provider_that_is_misspelt_is_marked_and_answered(project: Path, installed: Site) -> None:
    (project / "stagecraft.yml").write_text("project: {name: shop}\nruntime: proces\n")
    said = stagecraft(project, installed.folder, "plan", code=1).stderr
    assert said.startswith("error: stagecraft.yml:2:10: runtime: no runtime provider 'proces'; did you mean 'process'?")
