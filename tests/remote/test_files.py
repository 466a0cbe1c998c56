"""Files and trees on a host, and the client of its engine."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import NotFound, ProviderError, Refused, UserError
from stagecraft_hookspecs.values import Command, File, Host

from stagecraft.machine.scope import Scope
from stagecraft.remote.fleet import Fleet
from stagecraft.remote.machine import RemoteMachine
from tests.testbed import images
from tests.testbed.handles import TestHost

NAMES = ["plain", "a b/c'd", 'x/y/"quoted"', "new\nline", "-dash", "back\\slash", "ü/é"]


def modes(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(f.relative_to(folder)): (f.read_bytes(), f.stat().st_mode & 0o7777)
        for f in folder.rglob("*")
        if f.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_write_read_and_remove(machine: RemoteMachine, tmp_path: Path, name: str) -> None:
    path = tmp_path / "here" / name
    for data, mode in ((os.urandom(500_000), 0o640), (b"", 0o755)):
        machine.write(str(path), data, mode=mode)
        assert machine.read(str(path)) == data
        assert path.stat().st_mode & 0o7777 == mode
        assert [f.name for f in path.parent.iterdir()] == [path.name]
    machine.remove(str(path))
    machine.remove(str(path))
    with pytest.raises(NotFound):
        machine.read(str(path))


def test_what_cannot_be_written_says_why(machine: RemoteMachine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderError, match=r"cannot write .*/file/below on web: ") as caught:
        machine.write(str(tmp_path / "file" / "below"), b"")
    assert caught.value.hint
    for path in ("/", "", ".", "/home/..", machine.home, machine.home + "/x/.."):
        with pytest.raises(Refused):
            machine.remove(path)


def test_a_tree_is_sent_once_and_then_only_what_differs(machine: RemoteMachine, tmp_path: Path) -> None:
    folder = tmp_path / "odd 'tree'"
    tree = {name: File(name.encode(), 0o755 if n % 2 else 0o640) for n, name in enumerate(NAMES)}
    tree["token"] = File(b"hush", 0o644, secret=True)
    plain = {n for n in tree if "\n" not in n and "\\" not in n}
    assert machine.upload(tree, str(folder)) == tuple(sorted(tree))
    expected = {name: (f.data, 0o600 if f.secret else f.mode) for name, f in tree.items()}
    assert modes(folder) == expected
    assert not plain & set(machine.upload(tree, str(folder)))
    tree["plain"] = File(b"other", 0o640)
    (folder / "token").chmod(0o644)
    assert {"plain", "token"} <= set(machine.upload(tree, str(folder))) <= set(tree) - (plain - {"plain", "token"})
    assert modes(folder) == {**expected, "plain": (b"other", 0o640)}


def test_an_exact_tree_removes_the_rest(machine: RemoteMachine, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    machine.upload({"keep": File(b"1"), "gone/deep/er": File(b"2"), "new\nline": File(b"3")}, str(folder))
    assert machine.upload({"keep": File(b"1")}, str(folder)) == ()
    assert len(modes(folder)) == 3
    assert machine.upload({"keep": File(b"1")}, str(folder), exact=True) == ()
    assert modes(folder) == {"keep": (b"1", 0o644)}
    assert [f.name for f in folder.iterdir()] == ["keep"]


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", "a//b"])
def test_a_tree_stays_below_its_folder(machine: RemoteMachine, tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="does not lie below the folder"):
        machine.upload({path: File(b"")}, str(tmp_path))


def test_a_folder_is_not_written_over(machine: RemoteMachine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ProviderError, match="Is a directory"):
        machine.write(str(tmp_path / "folder"), b"data")
    assert [f.name for f in tmp_path.rglob("*") if "server" not in str(f)] == ["folder"]


@pytest.mark.needs("hosts")
def test_the_engine_of_a_host(clean_hosts: tuple[TestHost, ...], tmp_path: Path) -> None:
    there = clean_hosts[0]
    images.put(there, "app:1")
    environ = {"STAGECRAFT_SSH_CONFIG": str(there.ssh_config)}
    with closing(Fleet(tmp_path, lambda _: None, environ)) as fleet:
        machine = fleet.machine(Host(there.name, there.address, there.user), Scope())
        client = machine.docker()
        assert client is machine.docker()
        assert client.version()["Version"] == there.docker("version", "--format", "{{.Server.Version}}").strip()
        client.volumes.create("through-the-tunnel")
        assert "through-the-tunnel" in there.docker("volume", "ls", "-q").split()
        # a stream that the engine ends, though nobody has closed its other direction
        there.docker("run", "-d", "--name", "sleeper", "--network", "none", "app:1")
        for n in range(20):
            assert client.containers.get("sleeper").exec_run(["sh", "-c", f"echo {n}"]).output == f"{n}\n".encode()
        assert machine.run(Command(("id", "-un"))).stdout.strip() == there.user
