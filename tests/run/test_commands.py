"""Commands in instances, one-off instances and shells: where they run, what they read and print, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Command, Host, Secret

from stagecraft.machine.openssh import remote_line, ssh_argv

from .operated import Fleet

GOLDEN = Path(__file__).parents[1] / "golden"
STAGECRAFT = (sys.executable, "-m", "stagecraft")
ENVIRON = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}


def where(printed: str) -> tuple[str, str]:
    document = json.loads(printed)
    return document["host"], document["stdout"].strip()


def test_exec_takes_the_first_well_instance(fleet: Fleet) -> None:
    ask = ("exec", "api", "--json", "--", "sh", "-c", "echo $INSTANCE")
    assert where(fleet(*ask, code=0).out) == ("app-1", f"api-{fleet.serving}")
    fleet.change("app-1", "api", health="unhealthy")
    assert where(fleet(*ask, code=0).out)[0] == "app-2"
    assert where(fleet(*ask[:3], "--host", "app-1", *ask[3:], code=0).out)[0] == "app-1", "what is asked for is done"
    fleet.down("app-2")
    assert where(fleet(*ask, code=0).out)[0] == "app-1", "one that is unwell is looked into with exec, too"


def test_a_host_that_is_down_is_passed_over(fleet: Fleet) -> None:
    fleet.down("app-1")
    assert where(fleet("exec", "api", "--json", "--", "true", code=0).out)[0] == "app-2"
    assert where(fleet("run", "api", "--json", "--", "true", code=0).out)[0] == "app-2"
    fleet.down("app-2")
    assert fleet("exec", "api", "--", "true", code=2).err.startswith("error: cannot reach app-1")
    assert fleet("run", "api", "--", "true", code=2).err.startswith("error: cannot reach app-1")


def test_run_uses_the_release_that_serves(fleet: Fleet) -> None:
    release = fleet.deploy("2")
    assert where(fleet("run", "db", "--json", "--", "sh", "-c", "echo $ONEOFF", code=0).out) == ("db-1", release)


@pytest.mark.parametrize("command", ["exec", "run"])
def test_the_exit_code_is_passed_on(fleet: Fleet, command: str) -> None:
    printed = fleet(command, "api", "--json", "--", "sh", "-c", "echo no >&2; exit 37", code=37)
    assert json.loads(printed.out) == {
        "host": "app-1",
        "service": "api",
        "exit_code": 37,
        "stdout": "",
        "stderr": "no\n",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exec", "which service?"),
        ("exec api", "which command?"),
        ("exec apo -- true", "no service 'apo'; did you mean 'api'?"),
        ("exec api --host app-9 -- true", "no host 'app-9'; did you mean 'app-2'?"),
        ("exec api --host db-1 -- true", "api does not run on db-1"),
        ("run api --role db -- true", "api does not run on db-1"),
        ("ssh", "which host? there are app-1, app-2, db-1"),
        ("ssh app-9", "no host 'app-9'; did you mean 'app-2'?"),
        ("ssh --role app", "which host? there are app-1, app-2"),
        ("ssh db-1 --json", "a shell has no JSON"),
    ],
)
def test_what_is_not_clear_is_asked_for(fleet: Fleet, line: str, said: str) -> None:
    printed = fleet(*line.split(), code=1)
    assert f"error: {said}" in printed.err
    assert "hint: " in printed.err


def test_a_service_that_runs_nowhere_is_said_to(fleet: Fleet) -> None:
    for host in ("app-1", "app-2"):
        fleet.change(host, "api", state="exited", exit_code=1)
    printed = fleet("exec", "api", "--", "true", code=1)
    assert printed.err == "error: api does not run on app-1, app-2\nhint: see `stagecraft status --service api`\n"


def test_ssh_runs_a_command_on_the_host_that_is_named(fleet: Fleet) -> None:
    printed = fleet("ssh", "db-1", "--json", "--", "sh", "-c", "echo 'a  b'; exit 3", code=3)
    assert json.loads(printed.out) == {"host": "db-1", "exit_code": 3, "stdout": "a  b\n", "stderr": ""}
    assert json.loads(fleet("ssh", "--role", "db", "--json", "--", "true", code=0).out)["host"] == "db-1"


def test_words_reach_a_remote_command_as_they_are() -> None:
    words = ("printf", "%s.", "a b", "$HOME", "`id`", "it's", "", "new\nline", "*", "; false")
    line = remote_line(Command(words, cwd="/tmp", env={"A": "x y"}))
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{word}." for word in words[2:])
    assert remote_line(Command(("id",))) == "exec id"
    with pytest.raises(ProviderError, match="wants the secret TOKEN"):
        remote_line(Command(("id",), env={"T": Secret("TOKEN", "hidden-value")}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ssh` that has only what a test writes into its configuration."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = shutil.which("ssh")
    if real is None:
        pytest.skip("there is no OpenSSH client here")
    (folder / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {tmp_path}/config "$@"\n')
    (folder / "ssh").chmod(0o755)
    (tmp_path / "config").touch()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return tmp_path


def test_the_client_knows_the_keys_that_the_project_met(home: Path) -> None:
    argv = ssh_argv(Host("app", "10.0.0.12", "deploy", 2222), home / "my project", terminal=True, remote="exec id")
    assert argv[1:5] == (
        "-o",
        f'UserKnownHostsFile="{home}/my project/.stagecraft/known_hosts" {os.path.expanduser("~")}/.ssh/known_hosts'
        f" {os.path.expanduser('~')}/.ssh/known_hosts2",
        "-o",
        "StrictHostKeyChecking=accept-new",
    )
    assert argv[5:] == ("-t", "-o", "HostName=10.0.0.12", "-p", "2222", "-l", "deploy", "--", "app", "exec id")
    # what the client itself makes of it
    said = subprocess.run([argv[0], "-G", *argv[1:-1]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"user deploy", "port 2222", "hostname 10.0.0.12", "stricthostkeychecking accept-new"} <= set(said)


def test_what_the_users_configuration_says_holds(home: Path) -> None:
    (home / "config").write_text("Host app\n  Port 2200\n  User ada\n  StrictHostKeyChecking yes\n")
    argv = ssh_argv(Host("app"), home, terminal=False, stdin=False)
    assert "StrictHostKeyChecking=accept-new" not in argv
    said = subprocess.run([argv[0], "-G", *argv[1:]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"user ada", "port 2200", "stricthostkeychecking true"} <= set(said)


def test_a_jump_host_is_verified_as_the_host_is(home: Path) -> None:
    (home / "config").write_text("Host app\n  ProxyJump first,ada@gate:2022\n")
    argv = ssh_argv(Host("app"), home / "100%", terminal=False)
    said = subprocess.run([argv[0], "-G", *argv[1:]], capture_output=True, text=True, check=True).stdout.splitlines()
    (command,) = (line.removeprefix("proxycommand ") for line in said if line.startswith("proxycommand "))
    words = shlex.split(command)
    assert words[-6:] == ["-J", "first", "-W", "[%h]:%p", "--", "ssh://ada@gate:2022"]
    # what is left once the client has replaced its tokens, and the one that it starts has, too
    known = words[words.index("-o") + 1]
    assert known.startswith(f"UserKnownHostsFile={home}/100%%%%/.stagecraft/known_hosts ")
    assert "StrictHostKeyChecking=accept-new" in words
    assert not any(line.startswith("proxyjump") for line in said)


def test_another_configuration_file_may_be_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "other").write_text("Host app\n  User bob\n  ProxyJump gate\n")
    monkeypatch.setenv("STAGECRAFT_SSH_CONFIG", str(home / "other"))
    argv = ssh_argv(Host("app"), home, terminal=False)
    assert ("-F", str(home / "other"), "--", "app") == argv[-4:]
    assert f"ssh -F {home}/other " in argv[argv.index("-o", 5) + 1]


def test_a_host_is_never_taken_for_an_option(home: Path) -> None:
    with pytest.raises(ProviderError, match="ssh refuses"):
        ssh_argv(Host("-oProxyCommand=touch /tmp/owned"), home, terminal=False)
    (home / "config").write_text("Frobnicate yes\n")
    with pytest.raises(ProviderError, match="ssh refuses its configuration") as caught:
        ssh_argv(Host("app"), home, terminal=False)
    assert caught.value.hint == "mend ~/.ssh/config"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that plain processes of this machine serve."""
    folder = Path(shutil.copytree(GOLDEN / "small", tmp_path_factory.mktemp("small") / "small"))
    done = subprocess.run([*STAGECRAFT, "deploy", "-v", "1"], cwd=folder, env=ENVIRON, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    yield folder
    home = folder / ".stagecraft/run/local"
    subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False)


@pytest.mark.parametrize("command", ["exec api", "run api", "ssh"])
def test_streams_are_piped_as_they_are(small: Path, command: str) -> None:
    data = bytes(range(256)) * 1000
    script = ("sh", "-c", "cat; echo err >&2; exit 5")
    done = subprocess.run(
        [*STAGECRAFT, *command.split(), "--", *script],
        cwd=small,
        env=ENVIRON,
        input=data,
        capture_output=True,
        check=False,
    )
    assert (done.stdout == data, done.stderr, done.returncode) == (True, b"err\n", 5)


def test_the_service_s_environment_is_there(small: Path) -> None:
    for command in ("exec", "run"):
        script = ("sh", "-c", "test -n $TOKEN && pwd")
        done = subprocess.run(
            [*STAGECRAFT, command, "api", "--", *script],
            cwd=small,
            env=ENVIRON,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ".stagecraft" in done.stdout


def test_on_a_terminal_the_command_has_it(small: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(small)
        os.execve(
            sys.executable, [*STAGECRAFT, "exec", "api", "--", "sh", "-c", "test -t 0 && test -t 1 && exit 9"], ENVIRON
        )
    with contextlib.suppress(OSError):
        while os.read(terminal, 4096):
            pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_ctrl_c_is_the_commands_to_answer(small: Path) -> None:
    script = "trap 'echo caught; exit 42' INT; echo ready; while :; do sleep 0.1; done"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(small)
        os.execve(sys.executable, [*STAGECRAFT, "exec", "api", "--", "sh", "-c", script], ENVIRON)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 4096):
            seen += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42, seen
    assert b"caught" in seen


def test_ssh_asks_which_host_on_a_terminal(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "shop", tmp_path / "shop"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, [*STAGECRAFT, "ssh", "-e", "prod"], ENVIRON)
    seen = b""
    while b"host: " not in seen:
        seen += os.read(terminal, 4096)
    assert b"1  app-1\r\n2  app-2\r\n3  db-1\r\n" in seen
    os.write(terminal, b"app-9\n")
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 4096):
            seen += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert b"no host 'app-9'; did you mean 'app-2'?" in seen
