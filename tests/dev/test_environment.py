"""Which value of a variable a process sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ConfigError, UserError
from stagecraft_hookspecs.values import Command, Secret

from stagecraft.dev.environment import merge, read_env, sources
from tests.dev.stack import generic, python, run, running, write_project


def test_the_processs_own_outranks_the_files_and_these_the_shell() -> None:
    shell, files, own = {"A": "shell", "B": "shell", "C": "shell"}, {"B": "file", "C": "file"}, {"C": "own"}
    assert merge(shell, files, own) == {"A": "shell", "B": "file", "C": "own"}


def test_a_secret_is_revealed_to_the_process_and_to_nobody_else() -> None:
    command = Command(("x",), env={"KEY": Secret("KEY", "hunter2-hunter2")})
    assert merge({}, {}, command.env) == {"KEY": "hunter2-hunter2"}
    assert "hunter2" not in repr((command, sources(command, {})))


def test_later_files_outrank_earlier_ones_and_refer_to_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("HOST=one\nNAME=a\n")
    (tmp_path / "b").write_text("NAME=b\nURL=http://${HOST}/${WHO}\n")
    assert read_env(tmp_path, ["a", "b"], {"WHO": "me", "HOST": "shell"}) == {
        "HOST": "one",
        "NAME": "b",
        "URL": "http://one/me",
    }


def test_sources_name_the_strongest(tmp_path: Path) -> None:
    assert sources(Command(("x",), env={"B": "1"}), {"A": "2", "B": "3"}) == {"A": "env_file", "B": "process"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1")
    (tmp_path / "a").chmod(0)
    with pytest.raises((UserError, ConfigError), match="a"):
        read_env(tmp_path, ["a"], {})


@pytest.mark.parametrize("kind", ["missing", "folder", "nonsense"])
def test_an_unusable_env_file_is_one_clear_error_and_nothing_starts(tmp_path: Path, kind: str) -> None:
    write_project(tmp_path, backend=generic(python("open('ran', 'w')")), env_file=".env")
    if kind == "folder":
        (tmp_path / ".env").mkdir()
    elif kind == "nonsense":
        (tmp_path / ".env").write_text("this is no variable\n")
    found = run(tmp_path)
    assert found.returncode == 1
    assert ".env" in found.stderr and "hint:" in found.stderr and "Traceback" not in found.stderr
    assert not (tmp_path / "ran").exists()


def test_secrets_of_the_shell_and_of_the_processes_own_are_masked_too(tmp_path: Path) -> None:
    code = "import os, time; print(os.environ['A'], os.environ['API_KEY']); time.sleep(600)"
    dev = python(code, env={"A": "${THE_TOKEN}", "API_KEY": "0wn-0wn-0wn"})
    dev["command"].append("${THE_TOKEN}")
    write_project(tmp_path, backend=generic(dev))
    shown = run(tmp_path, "--dry-run", "--json", THE_TOKEN="hunter2-hunter2").stdout
    assert "hunter2" not in shown and "0wn" not in shown and '"********"' in shown
    with running(tmp_path, THE_TOKEN="hunter2-hunter2") as stack:
        stack.until("backend    | ******** ********")
        assert "hunter2" not in stack.text


def test_processes_see_the_merged_variables_and_the_log_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=hunter2-hunter2\nLEVEL=file\n")
    code = """
        import os, time
        print(os.environ["TOKEN"], os.environ["LEVEL"], os.environ["ONLY_SHELL"])
        open("seen", "w").write(os.environ["TOKEN"])
        time.sleep(600)
    """
    write_project(tmp_path, backend=generic(python(code, env={"LEVEL": "own"})), env_file=".env")
    with running(tmp_path, TOKEN="shell-shell", LEVEL="shell", ONLY_SHELL="yes") as stack:
        assert stack.until("own yes") == "backend    | ******** own yes"
    assert (tmp_path / "seen").read_text() == "hunter2-hunter2"
    assert (tmp_path / ".stagecraft/dev/logs/backend.log").read_text() == "******** own yes\n"
