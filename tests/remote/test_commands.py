"""Commands on a host: words, streams, environment, deadlines, cancellation."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import CommandFailed, Interrupted, ProviderError, TimedOut, ToolMissing, UserError
from stagecraft_hookspecs.values import Command, Secret

from stagecraft.machine.scope import Scope
from stagecraft.remote.machine import RemoteMachine
from tests.remote.conftest import Server, StartServer

ODD = ["a b", "q'\"", "two\nlines", "", "$HOME `id` $(id)", "-n", "*", "\\", "ü", "\ttab ", "!x", "&;|<>#~"]
SHOW = 'for a do printf "%s\\0" "$a"; done'


@pytest.mark.parametrize("streamed", [False, True])
def test_words_reach_the_command_as_they_are(machine: RemoteMachine, streamed: bool) -> None:
    lines: list[str] = []
    result = machine.run(Command(("sh", "-c", SHOW, "sh", *ODD)), on_line=lines.append if streamed else None)
    assert result.stdout.split("\0")[:-1] == ODD


def test_folder_and_environment(machine: RemoteMachine, tmp_path: Path) -> None:
    folder = tmp_path / "odd 'folder'\n"
    folder.mkdir()
    script = 'pwd; printf "%s" "$ODD" | cksum; printf "%s" "$BIG" | wc -c'
    big = "x" * 100_000 + "\n'"
    odd = "".join(ODD)
    result = machine.run(
        Command(("sh", "-c", script), cwd=str(folder), env={"ODD": Secret("ODD", odd), "BIG": Secret("BIG", big)})
    )
    expected = subprocess.run(["cksum"], input=odd.encode(), capture_output=True, check=True).stdout.decode()
    assert result.stdout == f"{folder}\n{expected}{len(big)}\n"


def test_a_command_starts_in_the_login_folder_with_the_usual_umask(machine: RemoteMachine) -> None:
    said = machine.run(Command(("sh", "-c", "pwd; umask"))).stdout.split()
    assert said[0] == machine.home
    assert said[1] == subprocess.run(["sh", "-c", "umask"], capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("size", [0, 1, 65536, 300_000, 10_000_000])
def test_binary_input_and_output_of_any_size(machine: RemoteMachine, size: int) -> None:
    data = os.urandom(size)
    result = machine.run_bytes(Command(("cat",), stdin=data, timeout=60))
    assert (result.exit_code, result.err) == (0, b"")
    assert result.out == data


def test_both_streams_and_the_exit_code(machine: RemoteMachine) -> None:
    lines: list[str] = []
    command = Command(("sh", "-c", "echo out; echo err >&2; printf rest; exit 7"))
    for on_line in (None, lines.append):
        result = machine.run(command, check=False, on_line=on_line)
        assert (result.exit_code, result.stdout, result.stderr) == (7, "out\nrest", "err\n")
    assert sorted(lines) == ["err", "out", "rest"]
    with pytest.raises(CommandFailed, match="exit code 7"):
        machine.run(command)


def test_lines_come_while_the_command_runs(machine: RemoteMachine, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waits = f'echo first; while [ ! -e "{go}" ]; do sleep 0.05; done; echo second'
    # the command ends only after its first line has been handed on
    result = machine.run(Command(("sh", "-c", waits), timeout=30), on_line=lambda line: go.touch())
    assert result.stdout == "first\nsecond\n"


def test_a_daemon_does_not_hold_a_command_up(machine: RemoteMachine, tmp_path: Path) -> None:
    for on_line in (None, lambda line: None):
        started = time.monotonic()
        result = machine.run(Command(("sh", "-c", f"sleep 30 & echo $! >{tmp_path}/pid; echo up")), on_line=on_line)
        assert result.stdout == "up\n"
        assert time.monotonic() - started < 15
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_what_cannot_start_says_why(machine: RemoteMachine) -> None:
    for on_line in (None, lambda line: None):
        with pytest.raises(ToolMissing, match="nonesuch is not installed on web"):
            machine.run(Command(("nonesuch",)), on_line=on_line)
        with pytest.raises(ProviderError, match="folder /no/where is not there on web"):
            machine.run(Command(("true",), cwd="/no/where"), on_line=on_line)
    with pytest.raises(UserError, match="NUL"):
        machine.run(Command(("echo", "a\0b")))
    with pytest.raises(UserError, match="no name of an environment variable"):
        machine.run(Command(("true",), env={"A=B; true": "x"}))


def running(marker: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^sleep {marker}$"], capture_output=True).returncode == 0


def gone(marker: str, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not running(marker):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("streamed", [False, True])
def test_a_deadline_ends_the_whole_group(machine: RemoteMachine, streamed: bool) -> None:
    marker = f"3001.{os.getpid()}{int(streamed)}"
    with pytest.raises(TimedOut, match=r"sh on web took longer than 0\.3 seconds"):
        machine.run(
            Command(("sh", "-c", f"sleep {marker} & sleep {marker}; true"), timeout=0.3),
            on_line=(lambda line: None) if streamed else None,
        )
    assert gone(marker)
    assert machine.run(Command(("echo", "on"))).stdout == "on\n"


def test_a_command_that_ignores_sigterm_is_killed(machine: RemoteMachine) -> None:
    marker = f"3002.{os.getpid()}"
    with pytest.raises(TimedOut):
        machine.run(Command(("sh", "-c", f"trap '' TERM; sleep {marker}; sleep {marker}"), timeout=0.5))
    assert gone(marker)


def test_cancelling_the_scope_ends_the_command(server: Server) -> None:
    marker = f"3003.{os.getpid()}"
    scope = Scope()
    with closing(server.fleet()) as fleet:
        machine = fleet.machine(server.host, Scope())
        machine.run(Command(("true",)))
        timer = threading.Timer(0.5, scope.cancel)
        timer.start()
        with pytest.raises(Interrupted):
            machine.within(scope).run(Command(("sleep", marker)))
        assert gone(marker)
        assert machine.run(Command(("echo", "others go on"))).stdout == "others go on\n"


def test_two_hundred_commands_at_once(machine: RemoteMachine) -> None:
    with ThreadPoolExecutor(200) as pool:
        said = list(
            pool.map(lambda n: machine.run(Command(("sh", "-c", f"sleep 0.0{n % 7}; echo {n}"))).stdout, range(200))
        )
    assert said == [f"{n}\n" for n in range(200)]


def test_secrets_are_in_no_argument_and_no_file_stays(machine: RemoteMachine) -> None:
    value = f"hush-{os.urandom(8).hex()}"
    seen = machine.run(
        Command(
            ("sh", "-c", "cat >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"),
            env={"TOKEN": Secret("TOKEN", value)},
            stdin=Secret("IN", value),
        )
    ).stdout
    assert value not in seen
    folder = Path(machine._connection.foreman().folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    until = time.monotonic() + 10
    while [f for f in folder.iterdir() if f.name not in "mq"] and time.monotonic() < until:
        time.sleep(0.02)
    assert sorted(f.name for f in folder.iterdir()) == ["m", "q"]


@pytest.fixture(params=["bash", "dash", "busybox"])
def shell(request: pytest.FixtureRequest, sshd: StartServer, tmp_path: Path) -> Iterator[RemoteMachine]:
    """Return a host whose /bin/sh is another shell: the server runs each request in it."""
    import shutil

    tool = shutil.which(request.param)
    if tool is None:
        pytest.skip(f"{request.param} is not installed")
    run = f"{tool} sh" if request.param == "busybox" else tool
    wrapper = tmp_path / "force"
    # what the client sends names /bin/sh; here it becomes the shell under test
    wrapper.write_text(f'#!/bin/sh\nexec {run} -c "$(printf "%s" "$SSH_ORIGINAL_COMMAND" | sed "s#/bin/sh#{run}#g")"\n')
    wrapper.chmod(0o755)
    server = sshd(f"ForceCommand {wrapper}")
    with closing(server.fleet()) as fleet:
        yield fleet.machine(server.host, Scope())


def test_any_posix_shell_will_do(shell: RemoteMachine) -> None:
    data = os.urandom(200_000)
    assert shell.run_bytes(Command(("cat",), stdin=data)).out == data
    assert shell.run(Command(("sh", "-c", SHOW, "sh", *ODD))).stdout.split("\0")[:-1] == ODD
    marker = f"3004.{os.getpid()}"
    with pytest.raises(TimedOut):
        shell.run(Command(("sleep", marker), timeout=0.3))
    assert gone(marker)
    lines: list[str] = []
    shell.run(Command(("echo", "streamed")), on_line=lines.append)
    assert lines == ["streamed"]


def test_a_login_shell_that_talks_does_no_harm(sshd: StartServer, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_text(
        '#!/bin/sh\necho "R 1 0 3 0"; echo welcome; echo careful >&2; printf "no newline"\n'
        'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    noise.chmod(0o755)
    server = sshd(f"ForceCommand {noise}")
    data = os.urandom(500_000)
    with closing(server.fleet()) as fleet:
        machine = fleet.machine(server.host, Scope())
        assert machine.run(Command(("echo", "clean"))).stdout == "clean\n"
        result = machine.run_bytes(Command(("sh", "-c", "cat; echo e >&2"), stdin=data))
        assert (result.out, result.err) == (data, b"e\n")


def test_one_session_per_connection_is_enough(sshd: StartServer) -> None:
    server = sshd("MaxSessions 1")
    data = os.urandom(1_000_000)
    with closing(server.fleet()) as fleet:
        machine = fleet.machine(server.host, Scope())
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda _: machine.run_bytes(Command(("cat",), stdin=data)).out, range(4)))
        assert said == [data] * 4
        assert machine.run(Command(("echo", "quick"))).stdout == "quick\n"


def test_more_streams_than_a_connection_carries(machine: RemoteMachine) -> None:
    data = os.urandom(400_000)
    with ThreadPoolExecutor(14) as pool:
        work = lambda _: machine.run_bytes(Command(("sh", "-c", "sleep 0.5; cat"), stdin=data)).out  # noqa: E731
        assert list(pool.map(work, range(14))) == [data] * 14


def test_a_host_without_a_shell(sshd: StartServer) -> None:
    server = sshd("ForceCommand echo This account is not available; exit 1")
    with closing(server.fleet()) as fleet, pytest.raises(ProviderError, match="gives no shell") as caught:
        fleet.machine(server.host, Scope()).run(Command(("true",)))
    assert "This account is not available" in caught.value.detail


def test_a_connection_that_breaks_says_that_the_outcome_is_unknown(server: Server) -> None:
    with closing(server.fleet()) as fleet:
        machine = fleet.machine(server.host, Scope())
        machine.run(Command(("true",)))
        threading.Timer(0.5, lambda: fleet.connection(server.host)._links[0].ssh.transport.sock.close()).start()
        with pytest.raises(ProviderError, match=r"lost while sleep ran; whether it finished is not known"):
            machine.run(Command(("sleep", "20")))
        # without a lease, the next command connects again
        assert machine.run(Command(("echo", "again"))).stdout == "again\n"
