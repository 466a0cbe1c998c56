"""What a host remembers is read as it was written, through a real shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_compose import memory
from stagecraft_compose.memory import Memory, Unit
from stagecraft_hookspecs.errors import ProviderError

from .conftest import driver

UNIT = Unit(
    "f" * 32, 2, image="shop-prod/web:01", image_id="sha256:1", order="start-first", definition={"e": "ö\n| = x"}
)


def recall(home: Path, *releases: str) -> Memory:
    return memory.recall(driver.LocalMachine(home), str(home), releases)


def test_nothing_is_remembered_of_a_new_host(tmp_path: Path) -> None:
    assert recall(tmp_path / "none", "r1") == Memory()


def test_everything_is_read_back(tmp_path: Path) -> None:
    home = tmp_path / "a b'c"
    for release in ("r1", "r2", "r3"):
        (home / "releases" / release).mkdir(parents=True)
        (home / "releases" / release / "services.json").write_bytes(memory.dump({"web": UNIT}))
    (home / "current").write_text("r2\n")
    (home / "stopping").write_text("r3\naaa\nbbb")
    (home / "compose-version").write_text("2.26.1\n")

    known = recall(home, "r3", "", "r3", "gone")
    assert (known.current, known.compose) == ("r2", "2.26.1")
    assert known.begun == {"aaa", "bbb"}, "a file may end without a newline"
    assert sorted(known.releases) == ["r2", "r3"]
    assert known.shipped == {"r1", "r2", "r3"}
    assert known.units("r2") == {"web": UNIT}
    assert known.units("gone") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "releases" / "r1").mkdir(parents=True)
    (tmp_path / "releases" / "r1" / "services.json").write_text('{"services": {"web":\n')
    with pytest.raises(ProviderError, match=r"releases/r1/services.json on local is damaged") as caught:
        recall(tmp_path, "r1")
    assert caught.value.hint == "remove it and deploy again"
