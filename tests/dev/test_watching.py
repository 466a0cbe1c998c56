"""Which files a glob means, and when a change is told."""

from __future__ import annotations

import queue
import time
from pathlib import Path

import pytest

from stagecraft.dev.watching import Watcher, bases, compiled


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("api/**/*.py", ["api/a.py", "api/b/c/d.py"], ["web/a.py", "api/a.pyc", "a.py"]),
        ("./api/*.py", ["api/a.py"], ["api/b/c.py"]),
        ("**/*.{ts,tsx}", ["a.ts", "b/c.tsx"], ["a.js", "a.tsxx"]),
        ("file?.[!x]", ["file1.a"], ["file1.x", "file12.a", "file/.a"]),
        ("api/**", ["api/a", "api/b/c"], ["api", "apix/a"]),
        ("a.b+c", ["a.b+c"], ["axb+c"]),
    ],
)
def test_a_glob_means(pattern: str, matches: list[str], others: list[str]) -> None:
    found = compiled([pattern])
    assert all(found.fullmatch(path) for path in matches)
    assert not any(found.fullmatch(path) for path in others)


def test_only_the_folders_that_can_match_are_read() -> None:
    assert bases(["api/**/*.py", "api/v1/*.py", "web/src/*.ts", "package.json"]) == ("",)
    assert bases(["api/**/*.py", "api/v1/*.py", "web/src/*.ts"]) == ("api", "web/src")


def watch(root: Path, patterns: list[str]) -> tuple[Watcher, queue.Queue[tuple[str, str]]]:
    told: queue.Queue[tuple[str, str]] = queue.Queue()
    watcher = Watcher(root, {"api": patterns}, lambda name, path: told.put((name, path)), every=0.05)
    watcher.start()
    return watcher, told


def test_many_writes_in_a_row_are_one_change(tmp_path: Path) -> None:
    watcher, told = watch(tmp_path, ["*.py"])
    try:
        for number in range(20):
            (tmp_path / f"m{number:02}.py").write_text("x")
        assert told.get(timeout=10) == ("api", "m00.py")
        time.sleep(0.5)
        assert told.empty()
    finally:
        watcher.stop()


@pytest.mark.parametrize("how", ["write", "new", "remove"])
def test_a_changed_a_new_and_a_removed_file_are_changes(tmp_path: Path, how: str) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    watcher, told = watch(tmp_path, ["**/*.py"])
    try:
        if how == "write":
            file.write_text("newer")
        elif how == "new":
            (tmp_path / "b.py").write_text("")
        else:
            file.unlink()
        assert told.get(timeout=10) == ("api", "b.py" if how == "new" else "a.py")
    finally:
        watcher.stop()


def test_what_tools_write_is_not_looked_at(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, {"api": ["**"]}, lambda name, path: None)
    for folder in ("node_modules/x", ".git", "__pycache__", ".stagecraft", "src"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "f").write_text("")
    assert list(watcher.look("api")) == ["src/f"]
