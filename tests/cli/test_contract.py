"""What holds for every command line, whatever the command."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.registry import GLOBAL_FLAGS, builtin_commands

from .conftest import Project

COMMAND = str(Path(sys.executable).with_name("stagecraft"))
COMMANDS = builtin_commands()
CHANGING = [c for c in COMMANDS if c.changes]


@pytest.fixture
def watched() -> Iterator[list[str]]:
    """Every process that is started and every connection that is opened from here on."""
    seen: list[str] = []
    active = [True]

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if active and event in (
            "subprocess.Popen",
            "os.posix_spawn",
            "os.exec",
            "os.fork",
            "os.system",
            "socket.connect",
        ):
            seen.append(f"{event} {arguments[:2]}")

    sys.addaudithook(audit)
    yield seen
    active.clear()


@pytest.mark.parametrize("place", ["{} --help", "--help {}", "{} -h", "{} --frobnicate -h"])
@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
def test_help_never_runs_the_command(shop: Project, watched: list[str], command: str, place: str) -> None:
    before = shop.files()
    printed = shop(*place.format(command).split(), code=0)
    assert f"usage: stagecraft {command}" in printed.out
    assert printed.err == ""
    assert (shop.files(), watched) == (before, [])


DRY = [c for c in CHANGING if any(f.name == "dry-run" for f in c.flags)]


@pytest.mark.parametrize(
    "line", ["deploy -v 1", "build -v 1", "build -v 1 --push", "deploy -v 1 --services api", "deploy -v 1 --json"]
)
def test_a_dry_run_writes_nothing_and_runs_nothing(shop: Project, watched: list[str], line: str) -> None:
    before = shop.files()
    shop(*line.split(), "-e", "staging", "--dry-run", code=0)
    assert (shop.files(), watched) == (before, [])


def test_every_command_that_rolls_out_or_builds_can_be_tried_dry() -> None:
    assert {c.name for c in DRY} >= {"build", "deploy", "rollback"}


@pytest.mark.parametrize("command", [c.name for c in CHANGING])
def test_what_changes_anything_takes_no_positional(shop: Project, command: str) -> None:
    before = shop.files()
    printed = shop(*command.split(), "surplus", "-e", "staging", code=1)
    assert printed.err.startswith(f"error: {command} takes no 'surplus'")
    assert not any(flag.positional for c in CHANGING for flag in c.flags)
    assert shop.files() == before


@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
@pytest.mark.parametrize("flag", ["--frobnicate", "--frobnicate=1", "-Q"])
def test_an_unknown_flag_is_named_and_nothing_is_done(shop: Project, command: str, flag: str) -> None:
    before = shop.files()
    printed = shop(*command.split(), flag, code=1)
    assert f"{command} has no flag {flag.partition('=')[0]}" in printed.err
    assert f"hint: see `stagecraft {command} --help`" in printed.err
    assert shop.files() == before


@pytest.mark.parametrize("command", [c for c in COMMANDS if " " in c.name], ids=lambda c: c.name)
def test_a_dot_is_as_good_as_a_space(shop: Project, command: CommandLine) -> None:
    name = command.name
    assert shop(*name.split(), "--help") == shop(name.replace(" ", "."), "--help")


def test_a_group_alone_does_what_is_commonest(shop: Project) -> None:
    for group, meant in (("releases", "releases list"), ("config", "config show"), ("lock", "lock status")):
        assert shop(group, "-e", "local") == shop(*meant.split(), "-e", "local")


def test_global_flags_may_stand_before_the_command_or_behind_it(shop: Project) -> None:
    assert shop("-e", "prod", "--json", "plan", code=0) == shop("plan", "-e", "prod", "--json", code=0)


def test_one_command_per_run(shop: Project) -> None:
    assert "takes no 'deploy'" in shop("plan", "-e", "prod", "deploy", code=1).err
    assert "one command at a time" in shop("plan", "-e", "prod", "plan", code=1).err


@pytest.mark.parametrize(
    "flag", [f for f in GLOBAL_FLAGS if f.name not in ("help", "env", "config")], ids=lambda f: f.name
)
def test_switches_may_be_given_twice(shop: Project, flag: Flag) -> None:
    name = flag.name
    shop("plan", "-e", "prod", f"--{name}", f"--{name}", code=0)


# --- the environment


def test_the_environment_and_the_file_may_come_from_variables(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECRAFT_ENV", "staging")
    assert shop("plan", code=0).out.startswith("Plan: shop to staging")
    assert shop("plan", "-e", "prod", code=0).out.startswith("Plan: shop to prod")
    monkeypatch.setenv("STAGECRAFT_CONFIG", str(shop.folder / "other.yml"))
    (shop.folder / "other.yml").write_text(
        (shop.folder / "stagecraft.yml").read_text().replace("{name: shop,", "{name: stall,")
    )
    assert shop("plan", code=0).out.startswith("Plan: stall to staging")
    assert shop("plan", "--config", "stagecraft.yml", code=0).out.startswith("Plan: shop to staging")
    monkeypatch.setenv("STAGECRAFT_CONFIG", "gone.yml")
    assert "which STAGECRAFT_CONFIG names" in shop("plan", code=1).err


def test_stagecraft_plugins_hides_the_others(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECRAFT_PLUGINS", "local,compose")
    assert [line.split()[0] for line in shop("plugins", "list", code=0).out.splitlines()[1:]] == ["compose", "local"]
    error = shop("plan", "-e", "prod", code=1).err
    assert "no backend provider 'generic'" in error
    monkeypatch.setenv("STAGECRAFT_PLUGINS", "")
    assert "pip install stagecraft[standard]" in shop("plugins", "list", code=0).out


def in_folder(folder: Path, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_invokes_own_files_and_variables_change_nothing(shop: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    trap = (
        f"run: {{echo: true, shell: '{home}/trap', pty: true}}\ntasks: {{executor_class: none.Such, search_root: /}}\n"
    )
    for file in (home / ".invoke.yaml", shop.folder / "invoke.yaml", shop.folder / "tasks.yaml"):
        file.write_text(trap)
    (shop.folder / "tasks.py").write_text("raise SystemExit('this is the project\\'s own, and none of our business')\n")
    wanted = in_folder(shop.folder, "stagecraft plan -e prod --config stagecraft.yml", HOME="/nonexistent")
    got = in_folder(shop.folder, "stagecraft plan -e prod", HOME=str(home), INVOKE_RUN_ECHO="1")
    assert (got.stdout, got.stderr, got.returncode) == (wanted.stdout, "", 0)


TASKS = """\
from invoke import Collection, task

from stagecraft.cli import collection


@task
def hello(c):
    print("hello from our own task")


namespace = Collection(hello)
namespace.add_collection(collection(), "stagecraft")
"""


@pytest.mark.parametrize("inv", ["-m invoke", str(Path(sys.executable).with_name("inv"))])
def test_a_projects_own_tasks_can_mount_the_commands(shop: Project, inv: str) -> None:
    (shop.folder / "tasks.py").write_text(TASKS)
    program = f"{sys.executable} {inv}"
    listed = in_folder(shop.folder, f"{program} --list")
    assert "stagecraft.releases.list" in listed.stdout, listed.stderr
    both = in_folder(shop.folder, f"{program} hello stagecraft.plan -e prod --services api")
    assert both.stdout.startswith("hello from our own task\nPlan: shop to prod"), both.stderr
    wrong = in_folder(shop.folder, f"{program} stagecraft.plan -e prd")
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (1, "error: no environment 'prd'; did you mean 'prod'?")
    wrong = in_folder(shop.folder, f"{program} stagecraft.plan --format jsn")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)


# --- where the output goes


def test_a_reader_that_goes_away_ends_reading_quietly(shop: Project) -> None:
    for line in ("plan -e prod", "plan -e prod --json", "config schema", "--help", "deploy --help"):
        done = in_folder(shop.folder, f"stagecraft {line} | true; stagecraft {line} | head -c 1 > /dev/null")
        assert (done.stderr, done.returncode) == ("", 0), line


def test_a_disk_that_is_full_behind_the_output_is_said(shop: Project) -> None:
    for line in ("plan -e prod", "plan -e prod --json", "config schema", "--help", "--version"):
        done = in_folder(shop.folder, f"stagecraft {line} > /dev/full")
        assert done.returncode != 0, line
        assert "Traceback" not in done.stderr, line
        assert "No space left on device" in done.stderr, line


def test_output_in_an_encoding_that_lacks_a_character(shop: Project) -> None:
    compose = (shop.folder / "docker-compose.yml").read_text()
    shop.write(**{"docker-compose_yml": compose.replace("nginx:1.27", "nginx:1.27").replace("the-web", "the-wéb")})
    done = in_folder(shop.folder, "stagecraft plan -e prod", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "Traceback" not in done.stderr
    done = in_folder(shop.folder, "stagecraft plan -e prod --json", PYTHONIOENCODING="latin-1:strict", PYTHONUTF8="0")
    assert "Traceback" not in done.stderr


def test_words_that_are_no_text_are_an_error_and_no_crash(shop: Project) -> None:
    done = subprocess.run([COMMAND, "plan", "-e", b"\xff\xfe"], cwd=shop.folder, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: no environment")
    done = subprocess.run(
        [COMMAND, "plan", "-e", "prod", "-v", b"\xff", "--json"], cwd=shop.folder, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr


def test_closed_streams(shop: Project) -> None:
    for line in ("plan -e prod >&-", "plan -e prod 2>&-", "plan -e prd >&- 2>&-", "plan -e prod <&-"):
        done = in_folder(shop.folder, f"stagecraft {line}")
        assert "Traceback" not in done.stderr, line


def on_a_terminal(folder: Path, *argv: str, **environment: str) -> tuple[int, str]:
    """Run `stagecraft ARGV` on a pseudo-terminal; return its exit code and all that it drew."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(COMMAND, [COMMAND, *argv], {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment})
    seen = b""
    with contextlib.suppress(OSError):  # EIO says that nobody has the other end any more
        while chunk := os.read(terminal, 65536):
            seen += chunk
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_colours_are_for_terminals_that_want_them(shop: Project) -> None:
    assert "\x1b[" in on_a_terminal(shop.folder, "plan", "-e", "prod")[1]
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [(("--no-color",), {}), ((), {"NO_COLOR": "1"})]
    for plain, environment in ways:
        for words in (("plan", "-e", "prod"), ("plan", "-e", "prd"), ("frobnicate",), ("plugins", "list"), ("--help",)):
            assert "\x1b[" not in on_a_terminal(shop.folder, *words, *plain, **environment)[1], (words, plain)
    assert "\x1b[" not in shop("plan", "-e", "prod").out


def test_a_deploy_on_a_terminal_is_drawn_live_and_leaves_plain_lines(small: Project) -> None:
    code, drawn = on_a_terminal(small.folder, "deploy", "-v", "1")
    assert code == 0
    assert "prepare:local" in drawn
    lines = screen(drawn).splitlines()
    assert lines[0].startswith("deploy small to local: version 1")
    assert lines[1] == "build"
    assert lines[-1].startswith("1 serves in local")
    # whatever was drawn meanwhile, in the end each operation has one line, with nothing of the moving block in it
    ended = [line for line in lines if ":" in line[:14] and line.startswith("  ") and "applied" not in line]
    assert all(re.fullmatch(r"  [a-z]+:[a-z]+ +done( in \d+\.\d s)?", line) for line in ended), lines
    assert len(ended) == 5
    assert "\x1b[?25l" in drawn, "the cursor is hidden while the block moves"
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l"), "and shown again"


def test_a_deploy_on_a_terminal_without_colours(small: Project) -> None:
    code, drawn = on_a_terminal(small.folder, "deploy", "-v", "1", "--no-color")
    assert code == 0
    assert re.findall(r"\x1b\[[0-9;]*m", drawn) == []


def test_an_error_on_a_terminal_stays_on_it(small: Project) -> None:
    (small.folder / "api/server.py").write_text("raise SystemExit('broken on purpose')\n")
    code, drawn = on_a_terminal(small.folder, "deploy", "-v", "1")
    left = screen(drawn)
    assert code == 2
    assert "error: service 'api' did not become healthy" in left
    assert "broken on purpose" in left
    assert "hint: " in left
    assert "⠋" not in left


def screen(drawn: str, height: int = 200, width: int = 240) -> str:
    """Return what stands on a terminal after all that was drawn: the control sequences that rich uses, and no others."""
    rows = [""] * height
    row = column = 0
    at = 0
    while at < len(drawn):
        if drawn.startswith("\x1b[", at):
            end = at + 2
            while not drawn[end].isalpha():
                end += 1
            count, command = drawn[at + 2 : end], drawn[end]
            at = end + 1
            if command == "A":
                row = max(0, row - int(count or 1))
            elif command == "K":
                rows[row] = "" if count == "2" else rows[row][:column]
            elif command == "G":
                column = int(count or 1) - 1
            else:
                assert command in "mhl", f"unknown control sequence {count}{command}"
            continue
        character = drawn[at]
        at += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        else:
            rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
            column += 1
    return "\n".join(line.rstrip() for line in rows).strip("\n")


def test_deploy_goes_on_when_its_reader_has_gone(small: Project) -> None:
    done = in_folder(small.folder, "(stagecraft deploy -v 1; echo $? > code) | head -n 1")
    assert done.stdout.startswith("deploy small to local: version 1")
    assert (small.folder / "code").read_text() == "0\n", done.stderr
    assert "1        serving" in small("releases", "list").out
    (small.folder / "api/server.py").write_text("raise SystemExit('broken on purpose')\n")
    done = in_folder(small.folder, "(stagecraft deploy -v 2 2>&1; echo $? > code) | true")
    assert (small.folder / "code").read_text() == "2\n", "a failure is one also when nobody reads of it"
    done = in_folder(small.folder, "stagecraft deploy -v 3 > /dev/full 2> /dev/full")
    assert done.returncode == 2


def test_a_terminal_that_is_closed_is_an_interruption(small: Project) -> None:
    small("deploy", "-v", "1", code=0)
    (small.folder / "api/health.py").write_text("raise SystemExit('not yet')\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(small.folder)
        os.execve(COMMAND, [COMMAND, "deploy", "-v", "2"], {**os.environ, "TERM": "xterm"})
    seen = b""
    while b"prepare:local" not in seen:
        seen += os.read(terminal, 65536)
    time.sleep(0.3)
    os.close(terminal)  # the kernel sends SIGHUP, and every write fails from now on
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    listed = small("releases", "list").out
    assert "undone" in listed.splitlines()[1]
    assert "serving" in listed.splitlines()[2]
    assert small("lock", "status").out == "local is free\n"


def test_lines_of_the_pages_examples_parse(shop: Project) -> None:
    for command in COMMANDS:
        for example in command.examples:
            words = shlex.split(example.partition(" > ")[0].removeprefix('eval "$(').removesuffix(')"'))
            assert words[0] == "stagecraft"
            own = words[1 : words.index("--")] if "--" in words else words[1:]  # what follows is another program's
            printed = shop(*own, "--help")
            assert printed.code == 0
