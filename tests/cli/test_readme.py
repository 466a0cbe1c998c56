"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from .conftest import PLUGINS, Project

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(language: str, holding: str) -> str:
    """Return the README's code block of a language that holds some words."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in text]
    assert len(found) == 1
    return str(found[0])


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_the_plugin_of_one_file_is_planned_and_performed(small: Project, shell: pytest.MonkeyPatch) -> None:
    (small.folder / "stagecraft_hooks.py").write_text(block("python", "stagecraft_finalize"))
    (tools := small.folder / "tools").mkdir()
    program(tools, "cdn", f'echo "$@" > {small.folder}/purged')
    shell.setenv("PATH", str(tools), prepend=":")
    assert "purge-cdn" in small("plan", code=0).out
    assert "  purge-cdn      done" in small("deploy", "-v", "1", code=0).out
    assert (small.folder / "purged").read_text() == "purge --all\n"


def test_a_performer_may_return_what_its_command_returned(small: Project) -> None:
    """The work is done by then, so what the journal cannot hold must not fail the deploy."""
    hooks = block("python", "stagecraft_finalize").replace('"cdn", "purge", "--all"', '"true",')
    hooks = hooks.replace("    ctx.machine()", "    return ctx.machine()")
    (small.folder / "stagecraft_hooks.py").write_text(hooks)
    assert "  purge-cdn      done" in small("deploy", "-v", "1", code=0).out


def test_doctor_takes_a_deploy_that_runs_for_one_that_runs(small: Project, shell: pytest.MonkeyPatch) -> None:
    (small.folder / "stagecraft_hooks.py").write_text(
        block("python", "stagecraft_finalize").replace('"cdn", "purge", "--all"', '"look",')
    )
    (tools := small.folder / "tools").mkdir()
    program(
        tools, "look", f"{sys.executable} -m stagecraft doctor > {small.folder}/seen; echo $? >> {small.folder}/seen"
    )
    shell.setenv("PATH", str(tools), prepend=":")
    small("deploy", "-v", "1", code=0)
    seen = (small.folder / "seen").read_text()
    assert re.search(r"ok +local: state: rel-\d+-\d+ is under way; see the lock\n", seen), seen
    assert re.search(r"ok +local: lock: held by ", seen)
    assert seen.endswith("0 failed\n0\n")


def test_the_configuration_has_no_fault(small: Project, shell: pytest.MonkeyPatch) -> None:
    shell.setenv("STAGECRAFT_PLUGINS", f"{PLUGINS},haproxy")
    (small.folder / "stagecraft.yml").write_text(block("yaml", "connection_env"))
    (small.folder / ".env.prod").write_text("TOKEN=1\n")
    (small.folder / "docker-compose.yml").write_text("services: {postgres: {image: postgres:16}}\n")
    small("config", "validate", code=0)


def test_a_database_of_no_service_is_a_fault(small: Project, shell: pytest.MonkeyPatch) -> None:
    shell.setenv("STAGECRAFT_PLUGINS", f"{PLUGINS},haproxy")
    text = block("yaml", "connection_env").replace("service: postgres ", "service: postgers ")
    (small.folder / "stagecraft.yml").write_text(text)
    (small.folder / ".env.prod").write_text("TOKEN=1\n")
    (small.folder / "docker-compose.yml").write_text("services: {postgres: {image: postgres:16}}\n")
    printed = small("config", "validate", code=1)
    assert (
        "stagecraft.yml:5:14: databases.main.service: no service 'postgers' in the compose file; did you mean 'postgres'?"
        in printed.err
    )
