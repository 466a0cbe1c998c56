"""The file that keeps a process's output."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from stagecraft.dev.logfile import LogFile


def test_it_is_the_users_alone_and_begins_anew_with_each_session(tmp_path: Path) -> None:
    told: list[str] = []
    for word in ("first", "second"):
        log = LogFile(tmp_path / "logs" / "api.log", told.append)
        log.write(word)
        log.close()
    assert (tmp_path / "logs" / "api.log").read_text() == "second\n"
    assert (tmp_path / "logs" / "api.log.1").read_text() == "first\n"
    assert stat.S_IMODE((tmp_path / "logs" / "api.log").stat().st_mode) == 0o600
    assert told == []


def test_it_is_rotated_between_lines_and_the_oldest_goes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log", print, limit=100, kept=2)
    for number in range(60):
        log.write(f"line {number:03}")
    log.close()
    files = [tmp_path / "api.log.2", tmp_path / "api.log.1", tmp_path / "api.log"]
    lines = [line for path in files for line in path.read_text().splitlines()]
    assert lines == [f"line {n:03}" for n in range(60 - len(lines), 60)]
    assert all(path.stat().st_size <= 100 for path in files)
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    log = LogFile(tmp_path / "api.log", told.append)
    log.close()
    log._descriptor = os.open("/dev/full", os.O_WRONLY)
    log.write("one")
    log.write("two")
    assert told == ["cannot keep the log api.log: No space left on device; the session goes on without it"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "api.log").symlink_to(tmp_path / "elsewhere")
    LogFile(tmp_path / "api.log", told.append).write("x")
    assert (tmp_path / "elsewhere").read_text() == "" and len(told) == 1
