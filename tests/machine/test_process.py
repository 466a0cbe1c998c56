"""Commands on this machine: what they print, how they end, and that nothing of them is left."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import CommandFailed, Interrupted, ProviderError, TimedOut, ToolMissing
from stagecraft_hookspecs.values import Command, Secret

from stagecraft.machine import LocalMachine
from stagecraft.machine.scope import Scope


@pytest.fixture
def machine(tmp_path: Path) -> LocalMachine:
    return LocalMachine(tmp_path, Scope())


def python(code: str, **more: object) -> Command:
    return Command((sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_both_streams_and_the_exit_code_come_back(machine: LocalMachine) -> None:
    result = machine.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), check=False)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_a_failure_shows_the_tail_of_what_it_said(machine: LocalMachine) -> None:
    with pytest.raises(CommandFailed) as failed:
        machine.run(python("import sys; sys.exit('no such table')"))
    assert failed.value.exit_code == 2 and "no such table" in failed.value.detail


def test_lines_come_as_they_are_written_even_the_last_without_its_end(machine: LocalMachine) -> None:
    lines: list[str] = []
    machine.run(python("print('one'); print('two', end='')"), on_line=lines.append)
    assert lines == ["one", "two"]


def test_a_secret_goes_by_environment_or_stdin_and_not_by_argv(machine: LocalMachine) -> None:
    secret = Secret("TOKEN", "hunter2hunter2")
    code = "import os, sys; print(os.environ['TOKEN'] == sys.stdin.read())"
    command = python(code, env={"TOKEN": secret}, stdin=secret)
    assert machine.run(command).stdout == "True\n"
    assert "hunter2" not in repr(command)


def test_large_input_and_output_do_not_block_each_other(machine: LocalMachine) -> None:
    data = b"x" * 3_000_000
    command = python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin=data)
    assert len(machine.run(command).stdout) == len(data)


def test_a_deadline_ends_the_whole_group(machine: LocalMachine, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    pids: list[str] = []
    with pytest.raises(TimedOut):
        machine.run(python(code, timeout=1.0), on_line=pids.append)
    time.sleep(0.1)
    assert not alive(int(pids[0]))


def test_an_interruption_ends_it_at_once(tmp_path: Path) -> None:
    scope = Scope()
    threading.Timer(0.3, scope.cancel).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        LocalMachine(tmp_path, scope).run(python("import time; time.sleep(60)"))
    assert time.monotonic() - began < 5


def test_a_daemon_that_keeps_the_streams_open_does_not_hold_us(machine: LocalMachine) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'], start_new_session=True)\n"
        "print('started')"
    )
    began = time.monotonic()
    assert machine.run(python(code)).stdout == "started\n"
    assert time.monotonic() - began < 6


def test_what_is_not_installed_says_so(machine: LocalMachine) -> None:
    with pytest.raises(ToolMissing, match="no-such-tool is not installed"):
        machine.run(Command(("no-such-tool",)))


def test_a_missing_folder_is_named(machine: LocalMachine) -> None:
    with pytest.raises(ProviderError, match="folder nowhere is not there"):
        machine.run(Command(("true",), cwd="nowhere"))


def test_files_are_written_in_full_with_their_mode(machine: LocalMachine, tmp_path: Path) -> None:
    machine.write("a/b/secret.env", b"K=v", mode=0o600)
    assert (tmp_path / "a/b/secret.env").stat().st_mode & 0o777 == 0o600
    assert machine.read("a/b/secret.env") == b"K=v"
    assert os.listdir(tmp_path / "a/b") == ["secret.env"]
    machine.remove("a")
    machine.remove("a")
    assert not (tmp_path / "a").exists()


def test_a_file_that_cannot_be_written_leaves_the_old_one(machine: LocalMachine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ProviderError, match="cannot write"):
        machine.write("file/below", b"new")
    assert (tmp_path / "file").read_text() == "old"
