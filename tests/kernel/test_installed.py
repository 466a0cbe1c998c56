"""Entry points are read from the installed distributions as `importlib.metadata` reads them, only faster."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

from stagecraft.kernel.installed import entries


def info(folder: Path, name: str, text: str, kind: str = "dist-info") -> None:
    path = folder / (f"{name}-1.0.{kind}" if kind == "dist-info" else f"{name}.{kind}")
    path.mkdir(parents=True)
    (path / "entry_points.txt").write_text(text)


def test_what_is_installed_here_is_read_as_the_standard_library_reads_it() -> None:
    for group in ("stagecraft", "stagecraft.default", "console_scripts", "pytest11"):
        expected = {(e.group, e.name, e.value.partition("[")[0].strip()) for e in metadata.entry_points(group=group)}
        assert {(e.group, e.name, e.value) for e in entries(group) if e.group == group} == expected


def test_comments_blank_lines_extras_and_other_groups_are_passed_over(tmp_path: Path) -> None:
    text = "[other]\na = b\n\n# no\n; no\n[stagecraft]\n  one=pkg.mod:thing [extra] \nnonsense\n[stagecraft.default]\nstate = one\n"
    info(tmp_path, "acme", text)
    found = [(e.group, e.name, e.value) for e in entries("stagecraft", [str(tmp_path)])]
    assert found == [("stagecraft", "one", "pkg.mod:thing"), ("stagecraft.default", "state", "one")]


def test_the_first_place_of_a_distribution_counts_however_it_is_spelled(tmp_path: Path) -> None:
    info(tmp_path / "a", "Acme.Tool", "[stagecraft]\none = first\n")
    info(tmp_path / "b", "acme_tool", "[stagecraft]\none = second\n", "egg-info")
    assert [e.value for e in entries("stagecraft", [str(tmp_path / "a"), str(tmp_path / "b")])] == ["first"]


def test_archives_missing_places_and_damaged_metadata_do_no_harm(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "kit.zip", "w") as archive:
        archive.writestr("zipped-1.0.dist-info/METADATA", "Name: zipped\nVersion: 1.0\n")
        archive.writestr("zipped-1.0.dist-info/entry_points.txt", "[stagecraft]\nz = zipped.plugin\n")
    bad = tmp_path / "site" / "bad-1.0.dist-info"
    bad.mkdir(parents=True)
    (bad / "entry_points.txt").write_bytes(b"\xff\xfe[stagecraft]")
    places = [str(tmp_path / name) for name in ("kit.zip", "nowhere", "site")]
    assert [(e.name, e.value) for e in entries("stagecraft", places)] == [("z", "zipped.plugin")]
