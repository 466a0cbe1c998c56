"""What the pure halves see of the project's folder: nothing else, whole, with modes."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import NotFound, UserError

from stagecraft.folder import ProjectFolder

LIMIT = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "conf" / "deep").mkdir(parents=True)
    (made / "conf" / "run.sh").write_text("run")
    (made / "conf" / "run.sh").chmod(0o755)
    (made / "conf" / "deep" / ".hidden").write_bytes(b"\xff\x00")
    (made / "conf" / "deep" / ".hidden").chmod(0o640)
    (made / "empty").mkdir()
    return made


def test_a_tree_is_every_file_below_with_its_mode(root: Path) -> None:
    found = ProjectFolder(root).tree("conf", LIMIT)

    assert {path: (file.data, file.mode) for path, file in found.items()} == {
        "conf/deep/.hidden": (b"\xff\x00", 0o640),
        "conf/run.sh": (b"run", 0o755),
    }
    assert list(found) == sorted(found)
    assert list(ProjectFolder(root).tree("conf/run.sh", LIMIT)) == ["conf/run.sh"]
    assert ProjectFolder(root).tree("empty", LIMIT) == {}


def test_links_are_followed_inside_the_project_and_circles_end(root: Path) -> None:
    (root / "shared").mkdir()
    (root / "shared" / "a").write_text("a")
    (root / "conf" / "linked").symlink_to(root / "shared")
    (root / "conf" / "again").symlink_to(root / "conf")

    assert list(ProjectFolder(root).tree("conf", LIMIT)) == ["conf/deep/.hidden", "conf/linked/a", "conf/run.sh"]


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_link_out_of_the_project_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "passwords").write_text("hush")
    (tmp_path / "file").write_text("hush")
    (root / "conf" / "out").symlink_to(tmp_path / name)

    with pytest.raises(UserError, match="leaves the project through a link"):
        ProjectFolder(root).tree("conf", LIMIT)


def test_what_is_missing_outside_or_too_large_is_refused(root: Path) -> None:
    folder = ProjectFolder(root)
    with pytest.raises(NotFound):
        folder.tree("gone", LIMIT)
    with pytest.raises(UserError, match="leaves the project"):
        folder.tree("../other", LIMIT)
    (root / "conf" / "large").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(UserError, match="conf is larger than 1 MB") as caught:
        folder.tree("conf", LIMIT)
    assert caught.value.hint


def test_a_tree_stays_what_it_was_when_first_read(root: Path) -> None:
    """The plan, what is stored and what is sent to each host are the same content."""
    folder = ProjectFolder(root)
    before = folder.tree("conf", LIMIT)
    (root / "conf" / "run.sh").write_text("edited meanwhile")

    assert folder.tree("conf", LIMIT) == before
