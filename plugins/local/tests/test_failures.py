"""A disk that refuses: one clear error, the old content intact, nothing left lying about."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_local.state import Local

TRY = """
import resource, sys, time
from pathlib import Path
from types import SimpleNamespace
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.state import Holder
from stagecraft_hookspecs.values import Release
from stagecraft_local.state import Local
ctx = SimpleNamespace(root=Path(sys.argv[1]), environment="prod", sleep=time.sleep, monotonic=time.monotonic)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
state = Local()
store = state.open(ctx, "rel-1")
for attempt in (
    lambda: state.record(ctx, Release("rel-2", 2, "prod", "v" * 5000)),
    lambda: store.put("config.json", b"y" * 5000),
    lambda: store.append({"text": "z" * 5000}),
):
    try:
        attempt()
    except StagecraftError as e:
        print(type(e).__name__, e.message, "|", e.hint)
"""


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_disk_that_takes_no_more_leaves_all_as_it_was(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    """A limit on the file size fails a write half way, as a full disk does, and needs no privilege."""
    state.record(ctx, release(1))
    store = state.open(ctx, "rel-1")
    store.put("config.json", b"x")
    store.append({"n": 1})
    before = tree(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", TRY, str(tmp_path), "2000"], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ProviderError cannot write .stagecraft/releases.json",
        "ProviderError cannot write .stagecraft/releases/rel-1/bundle.json",
        "ProviderError cannot write .stagecraft/releases/rel-1/journal.jsonl",
    ]
    assert all(" | " in line and line.split(" | ")[1] for line in lines)
    assert tree(tmp_path) == before
    store.append({"n": 2})
    assert [e["n"] for e in store.entries()] == [1, 2]


def test_a_folder_that_may_not_be_written_is_named(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    state.record(ctx, release(1))
    state.open(ctx, "rel-1").append({"n": 1})
    before = tree(tmp_path)
    folders = [tmp_path / ".stagecraft", *(p for p in (tmp_path / ".stagecraft").rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    result = subprocess.run(
        [*as_anybody(), sys.executable, "-c", TRY, str(tmp_path), "9999999"], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ProviderError cannot write .stagecraft/releases.json: permission denied | ")
    assert lines[1].startswith(
        "ProviderError cannot write .stagecraft/releases/rel-1/bundle.json: permission denied | "
    )
    assert all("STAGECRAFT_STATE_FILE" in line for line in lines)
    assert len(state.releases(ctx)) == 1, "reading needs no right to write"
    after = tree(tmp_path)
    assert {name: after[name] for name in before if "journal" not in name} == {
        name: before[name] for name in before if "journal" not in name
    }


def as_anybody() -> list[str]:
    """Return the beginning of an argv for a process to which file modes apply, as they do not to root."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("file modes do not bind root, and setpriv (util-linux) is not there to lay its privilege down")
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.EACCES])
def test_each_failure_has_its_own_next_step(number: int, tmp_path: Path) -> None:
    from stagecraft_local import files
    from stagecraft_local.places import Places

    at = Places(tmp_path, tmp_path / "releases.json")
    with pytest.raises(ProviderError) as e, files.explained(at, "write", at.file):
        raise OSError(number, os.strerror(number))
    assert e.value.message == f"cannot write releases.json: {os.strerror(number).lower()}"
    assert e.value.hint and "doctor" not in e.value.hint


def test_a_file_in_the_way_is_named(state: Local, ctx: Any, release: Any, tmp_path: Path) -> None:
    (tmp_path / ".stagecraft").write_text("not a folder")
    with pytest.raises(ProviderError, match="not a directory") as e:
        state.record(ctx, release(1))
    assert "move it away" in e.value.hint
    with pytest.raises(ProviderError):
        state.releases(ctx)
    assert (tmp_path / ".stagecraft").read_text() == "not a folder"


@pytest.mark.parametrize("link", ["releases.json.tmp", "releases/rel-1", "releases/rel-1/journal.jsonl", "locks"])
def test_nothing_is_written_through_a_link(state: Local, ctx: Any, release: Any, tmp_path: Path, link: str) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    place = tmp_path / ".stagecraft" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "file" if link.endswith(("tmp", "jsonl")) else outside)
    store = state.open(ctx, "rel-1")

    def lock() -> None:
        from stagecraft_hookspecs.state import Holder

        with state.lock(ctx, Holder("alice@laptop", "deploy")):
            pass

    for attempt in (
        lambda: state.record(ctx, release(1)),
        lambda: store.append({}),
        lambda: store.put("a", b"x"),
        lock,
    ):
        try:
            attempt()
        except ProviderError as e:
            assert "link" in e.hint
    assert tree(outside) == {"file": b"precious"}
