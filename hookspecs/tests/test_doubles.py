"""The doubles behave as the kernel's own parts do."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.context import Context, Machine
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine, MemoryFolder
from stagecraft_hookspecs.errors import CommandFailed, NotFound, TimedOut, ToolMissing, UserError
from stagecraft_hookspecs.values import Command, Folder, Host, Result

FOLDER = MemoryFolder({"a.sql": "1", "m/b.sql": b"2", "m/n/c.sql": "3", "m/n/d.txt": "4"})


def test_they_are_what_the_protocols_ask_for() -> None:
    """Checked by mypy as well as by looking: every member of the Protocol is there."""
    folder: Folder = FOLDER
    machine: Machine = FakeMachine()
    context: Context = FakeContext()
    for double, protocol in ((folder, Folder), (machine, Machine), (context, Context)):
        assert not [name for name in vars(protocol) if not name.startswith("_") and not hasattr(double, name)]


def test_a_folder_knows_files_and_folders() -> None:
    assert FOLDER.exists("a.sql")
    assert FOLDER.exists("./m/n")
    assert FOLDER.exists(".")
    assert not FOLDER.exists("m/n/c")
    assert FOLDER.read("./m/b.sql") == b"2"
    with pytest.raises(NotFound):
        FOLDER.read("m")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.sql", ("a.sql",)),
        ("./m/*.sql", ("m/b.sql",)),
        ("**/*.sql", ("a.sql", "m/b.sql", "m/n/c.sql")),
        ("m/**/c.*", ("m/n/c.sql",)),
        ("m/n/?.txt", ("m/n/d.txt",)),
        ("nowhere/*", ()),
    ],
)
def test_a_folder_matches_as_pathlib_does(pattern: str, found: tuple[str, ...], tmp_path: Path) -> None:
    assert FOLDER.glob(pattern) == found
    FOLDER.write_to(tmp_path)
    real = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob(pattern) if p.is_file())
    assert tuple(real) == found


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_a_folder_is_not_left(path: str) -> None:
    for look in (FOLDER.exists, FOLDER.read, FOLDER.glob):
        with pytest.raises(UserError, match="leaves the project"):
            look(path)


def test_a_machine_answers_as_told() -> None:
    machine = FakeMachine(
        {
            ("git",): "plain",
            ("git", "status"): lambda command: f"{len(command.argv)} words",
            ("ls",): Result(("ls",), 2, "", "no such file\n"),
            ("slow",): TimedOut("too slow"),
        }
    )
    assert machine.run(Command(("git", "log"))).stdout == "plain"
    assert machine.run(Command(("git", "status", "-s"))).stdout == "3 words"
    assert machine.run(Command(("other",))).ok
    with pytest.raises(CommandFailed, match="ls failed with exit code 2"):
        machine.run(Command(("ls",)))
    lines: list[str] = []
    assert machine.run(Command(("ls",)), check=False, on_line=lines.append).exit_code == 2
    assert lines == ["no such file"]
    with pytest.raises(TimedOut):
        machine.run(Command(("slow",)))
    assert machine.argvs[0] == ("git", "log")
    assert len(machine.commands) == 6


def test_a_machine_keeps_files() -> None:
    machine = FakeMachine(files={"/srv/a": b"1"})
    machine.write("/srv/b/c", b"2", mode=0o600)
    assert machine.read("/srv/b/c") == b"2"
    assert machine.modes["/srv/b/c"] == 0o600
    machine.remove("/srv/b")
    with pytest.raises(NotFound):
        machine.read("/srv/b/c")
    with pytest.raises(ToolMissing):
        machine.docker()


def test_a_context_has_secrets_a_clock_and_a_log() -> None:
    ctx = FakeContext(secrets={"TOKEN": "t"}, oneoff="moved")
    assert ctx.fill("a=<secret:TOKEN>").reveal() == "a=t"
    with pytest.raises(NotFound):
        ctx.fill("<secret:OTHER>")
    ctx.sleep(5)
    assert ctx.monotonic() == 5
    ctx.log("hello", level="warning")
    assert ctx.logged == [("warning", "hello")]
    assert ctx.oneoff("api", ("migrate",), timeout=3).stdout == "moved"
    assert ctx.oneoffs == [("api", ("migrate",), 3)]


def test_hosts_may_have_machines_of_their_own() -> None:
    a, b = FakeMachine(), FakeMachine()
    ctx = FakeContext(machine={"a": a, "b": b})
    assert ctx.machine(Host("b")) is b
