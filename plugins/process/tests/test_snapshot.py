"""A snapshot is named by its content alone, holds what .dockerignore leaves, and is whole or not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ProviderError, UserError

from stagecraft_process import layout, runtime, snapshot
from stagecraft_process.dockerignore import compile_ignore


@pytest.fixture
def home(tmp_path):
    return str(tmp_path / "home")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "lib").mkdir(parents=True)
    (folder / "app.py").write_text("app")
    (folder / "lib" / "run.sh").write_text("#!/bin/sh")
    (folder / "lib" / "run.sh").chmod(0o755)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("lib/run.sh")
    return folder


def names(home, digest):
    base = Path(layout.snapshot_folder(home, digest))
    return sorted(str(p.relative_to(base)) for p in base.rglob("*"))


def test_copy_is_what_was_there(home, source):
    digest = snapshot.take(home, str(source))
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    copy = Path(layout.snapshot_folder(home, digest))
    assert names(home, digest) == ["app.py", "empty", "lib", "lib/run.sh", "link"]
    assert (copy / "app.py").read_text() == "app"
    assert os.readlink(copy / "link") == "lib/run.sh"
    assert os.access(copy / "lib/run.sh", os.X_OK)
    assert not os.access(copy / "app.py", os.X_OK) or os.stat(copy / "app.py").st_mode & 0o777 == 0o644


def test_digest_depends_on_content_not_on_time_owner_or_umask(home, source, tmp_path):
    first = snapshot.take(home, str(source))
    os.utime(source / "app.py", (1, 1))
    (source / "app.py").chmod(0o600)
    (source / "lib").chmod(0o700)
    assert snapshot.take(home, str(source)) == first
    assert snapshot.take(str(tmp_path / "other home"), str(source)) == first
    assert len([n for n in os.listdir(f"{home}/snapshots") if not n.endswith(".json")]) == 1


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "empty folder", "new file"])
def test_every_change_gives_another_digest(home, source, change):
    first = snapshot.take(home, str(source))
    if change == "content":
        (source / "app.py").write_text("apq")
    elif change == "name":
        (source / "app.py").rename(source / "apq.py")
    elif change == "mode":
        (source / "app.py").chmod(0o755)
    elif change == "link":
        (source / "link").unlink()
        (source / "link").symlink_to("app.py")
    elif change == "empty folder":
        (source / "empty").rmdir()
    else:
        (source / "b").write_text("")
    assert snapshot.take(home, str(source)) != first


def test_what_is_never_part_of_it(home, source):
    first = snapshot.take(home, str(source))
    for name in (".git", ".stagecraft", "__pycache__", "lib/__pycache__"):
        (source / name).mkdir()
        (source / name / "x").write_text("x")
    assert snapshot.take(home, str(source)) == first
    inner = str(source / "state")
    assert snapshot.take(inner, str(source)) == snapshot.take(inner, str(source)) == first


def test_dockerignore(home, source):
    (source / ".dockerignore").write_text("# comment\nlib\n!lib/run.sh\n**/*.py\n.dockerignore\n")
    (source / "lib" / "other").write_text("")
    digest = snapshot.take(home, str(source))
    assert names(home, digest) == ["empty", "lib", "lib/run.sh", "link"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "lib/../../outside"])
def test_link_that_leads_out_is_refused(home, source, target):
    (source / "bad").symlink_to(target)
    with pytest.raises(UserError, match=r"the link bad in .* leads out of it") as caught:
        snapshot.take(home, str(source))
    assert ".dockerignore" in caught.value.hint
    assert os.listdir(f"{home}/snapshots") == []
    (source / ".dockerignore").write_text("bad\n")
    snapshot.take(home, str(source))


def test_pipe_is_refused(home, source):
    os.mkfifo(source / "pipe")
    with pytest.raises(UserError, match=r"pipe in .* is neither a file, a folder nor a link"):
        snapshot.take(home, str(source))


def test_missing_folder(home, tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        snapshot.take(home, str(tmp_path / "no"))


def test_damaged_snapshot_is_made_anew(home, source):
    digest = snapshot.take(home, str(source))
    copy = Path(layout.snapshot_folder(home, digest))
    (copy / "app.py").write_text("")
    assert not snapshot.complete(home, digest)
    assert snapshot.take(home, str(source)) == digest
    assert (copy / "app.py").read_text() == "app"
    assert sorted(os.listdir(f"{home}/snapshots")) == [copy.name, f"{copy.name}.json"]


def test_killed_while_copying_leaves_no_snapshot(home, source):
    with open(source / "big", "wb") as stream:
        stream.truncate(512 * 1024 * 1024)
    code = f"from stagecraft_process import snapshot; snapshot.take({home!r}, {str(source)!r})"
    maker = subprocess.Popen([sys.executable, "-c", code])
    while not os.path.isdir(f"{home}/snapshots") or not os.listdir(f"{home}/snapshots"):
        assert maker.poll() is None
    maker.kill()
    maker.wait()
    assert all(n.startswith("new-") for n in os.listdir(f"{home}/snapshots"))


def test_no_space_is_a_clear_error(home, source, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "app.py")

    monkeypatch.setattr(snapshot, "_copy_file", full)
    with pytest.raises(ProviderError, match="No space left on device") as caught:
        snapshot.take(home, str(source))
    assert "free disk space" in caught.value.hint
    assert os.listdir(f"{home}/snapshots") == []


def test_folder_outside_the_project_is_refused(project, tmp_path):
    project.root = tmp_path / "project"
    project.root.mkdir()
    project.service("api", build={"context": ".."})
    with pytest.raises(UserError, match="lies outside the project"):
        runtime.take_snapshot(project.render().operations[0], project.ctx)


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("node_modules", "node_modules", True),
        ("node_modules", "node_modules/a/b", True),
        ("node_modules", "web/node_modules", False),
        ("**/node_modules", "web/node_modules/a", True),
        ("**/node_modules", "node_modules", True),
        ("/a", "a", True),
        ("a/", "a/b", True),
        ("*.log", "x.log", True),
        ("*.log", "a/x.log", False),
        ("a/**/c", "a/b/d/c", True),
        ("a/**", "a/b", True),
        ("?.py", "a.py", True),
        ("[ab].py", "b.py", True),
        ("[ab].py", "c.py", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("a.b", "aXb", False),
    ],
)
def test_patterns(pattern, path, ignored):
    assert compile_ignore(pattern)(path) is ignored


@given(st.text(max_size=40), st.text(alphabet="ab/.*", min_size=1, max_size=12))
def test_no_pattern_makes_it_fail(pattern, path):
    compile_ignore(pattern)(path)
