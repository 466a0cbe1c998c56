"""The folder for saved images is private, and does not outlive the run by more than a run."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stagecraft.images import scratch

HOLD = """
import sys
from stagecraft.images import scratch
class Owner: pass
owner = Owner()
print(scratch.make(owner)[0], flush=True)
sys.stdin.read()
"""


class Owner:
    """Something that owns a folder."""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stagecraft" / "images"


def test_only_the_user_can_read_it(base: Path) -> None:
    owner = Owner()
    folder, remove = scratch.make(owner)

    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert folder.parent.parent == base
    remove()
    assert list(base.iterdir()) == []


def test_it_goes_with_its_owner(base: Path) -> None:
    owner = Owner()
    scratch.make(owner)
    del owner

    assert list(base.iterdir()) == []


def test_one_that_a_killed_run_left_is_removed_and_one_in_use_is_not() -> None:
    runs = [subprocess.Popen([sys.executable, "-c", HOLD], stdin=-1, stdout=-1, text=True) for _ in range(2)]
    folders = [Path(run.stdout.readline().strip()) for run in runs]  # type: ignore[union-attr]
    runs[0].kill()
    runs[0].wait()
    assert [folder.exists() for folder in folders] == [True, True]

    owner = Owner()
    scratch.make(owner)

    assert [folder.exists() for folder in folders] == [False, True]
    runs[1].communicate("")
    assert not folders[1].exists()
