"""Run a command line in this process, in a copy of a project, and see what a user would: both streams and the exit code."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from stagecraft.__main__ import main

GOLDEN = Path(__file__).parents[1] / "golden"
#: Installed plugins differ between machines; these are what the tests' projects use.
PLUGINS = "compose,envfile,generic,local,process,raw"


@attrs.frozen
class Printed:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@attrs.frozen
class Project:
    """A project's folder, in which commands are run as if from a shell."""

    folder: Path
    _patch: pytest.MonkeyPatch

    def __call__(self, *argv: str, code: int | None = None) -> Printed:
        """Run `stagecraft ARGV`; with `code` it must end with that."""
        out, err = io.StringIO(), io.StringIO()
        with self._patch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr("sys.stdout", out)
            patch.setattr("sys.stderr", err)
            patch.setattr("sys.stdin", io.StringIO())
            ended = main(argv)
        printed = Printed(ended, self._shown(out), self._shown(err))
        assert code is None or ended == code, printed
        return printed

    def _shown(self, stream: io.StringIO) -> str:
        """Return what was printed, with names in place of this machine's paths."""
        return stream.getvalue().replace(str(self.folder), "FOLDER").replace(sys.executable, "PYTHON")

    def write(self, **files: str) -> None:
        """Write files given by name, with `_` for `.` in the names: `stagecraft_yml="…"`."""
        for name, text in files.items():
            (self.folder / name.replace("_", ".")).write_text(text)

    def files(self) -> dict[str, bytes]:
        """Return every file below the folder with its content, and every folder."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b"<folder>"
            for path in sorted(self.folder.rglob("*"))
        }


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nothing of this machine changes what is printed."""
    for name in ("STAGECRAFT_ENV", "STAGECRAFT_CONFIG", "NO_COLOR", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STAGECRAFT_PLUGINS", PLUGINS)
    monkeypatch.setenv("COLUMNS", "100")
    return monkeypatch


@pytest.fixture
def shop(tmp_path: Path, shell: pytest.MonkeyPatch) -> Project:
    """A copy of the project that the golden files are about."""
    return Project(Path(shutil.copytree(GOLDEN / "shop", tmp_path / "shop")), shell)


@pytest.fixture
def empty(tmp_path: Path, shell: pytest.MonkeyPatch) -> Project:
    """A folder with nothing in it."""
    return Project(tmp_path, shell)


def settled(text: str) -> str:
    """Replace what differs from run to run by something of the same width: releases and digests in the order of their values."""
    for pattern, stand in ((r"rel-\d{8}-\d{9}", "rel-20260102-{:09d}"), (r"sha256:[0-9a-f]{64}", "sha256:{:064d}")):
        for index, value in enumerate(sorted(set(re.findall(pattern, text))), 1):
            text = text.replace(value, stand.format(index))
    text = re.sub(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?", lambda f: "2026-01-02T03:04:05" + (".678" if f[1] else ""), text
    )
    text = re.sub(r"hmac-sha256:[0-9a-f]{32}", "hmac-sha256:" + 32 * "0", text)
    text = re.sub(r"\d+ MB free", "1000 MB free", re.sub(r"python: 3\.\d+\.\d+", "python: 3.X", text))
    text = re.sub(r" +\d+\.\d s", "  0.0 s", text)
    text = re.sub(r'"seconds": \d+\.\d+', '"seconds": 0.0', text)
    return re.sub(r"done in +\d+\.\d s", "done", text)


@pytest.fixture
def small(tmp_path: Path, shell: pytest.MonkeyPatch) -> Iterator[Project]:
    """A copy of a project of one service, which plain processes serve; what was deployed of it is ended."""
    folder = Path(shutil.copytree(GOLDEN / "small", tmp_path / "small"))
    yield Project(folder, shell)
    subprocess.run(
        [sys.executable, "-m", "stagecraft_process.stop", str(folder / ".stagecraft/run/local")], check=False
    )
