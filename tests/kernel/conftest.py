"""Distributions on disk, made on the fly: a package and a `.dist-info` beside it, as pip leaves them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from stagecraft.kernel import Kernel, catalog, installed, scan

#: A backend in a few lines; tests spoil it.
GOOD = """
from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.backend import Backend

class One(Backend):
    '''Be a backend.'''
    name = "NAME"
    @classmethod
    def detect(cls, folder): return None
    def service(self, project): return ""
    def dev(self, project): return ()
    def build(self, project): return None

@hookimpl
def stagecraft_backend():
    return One
"""


@attrs.frozen
class Site:
    """A folder on `sys.path`, and no other plugin to be found."""

    folder: Path

    def add(
        self,
        name: str,
        source: str = GOOD,
        *,
        dist: str = "",
        module: str = "",
        folder: Path | None = None,
        **defaults: str,
    ) -> str:
        """Install a distribution with one plugin; return the plugin's module.

        Args:
            name: The entry point's name.
            dist: The distribution's name; by default `acme-NAME`.
            defaults: Kind to name, for the group `stagecraft.default`.
        """
        into = folder or self.folder
        into.mkdir(parents=True, exist_ok=True)
        dist = dist or f"acme-{name}"
        module = module or f"{dist.replace('-', '_')}_plugin"
        (into / f"{module}.py").write_text(textwrap.dedent(source).replace("NAME", name))
        info = into / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        lines = [f"[stagecraft]\n{name} = {module}\n"]
        lines += (
            ["[stagecraft.default]\n", *(f"{kind} = {value}\n" for kind, value in defaults.items())] if defaults else []
        )
        (info / "entry_points.txt").write_text("".join(lines))
        return module

    def kernel(self, *only: str) -> Kernel:
        """Return a kernel that knows what is installed here."""
        return Kernel(scan(only or None), "python3")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give an empty site; everything imported from it is forgotten afterwards."""
    before, folder = set(sys.modules), tmp_path / "site"
    folder.mkdir()
    # the plugins that are installed for other tests must not be seen here
    seen = installed.entries
    monkeypatch.setattr(catalog, "entries", lambda group: seen(group, [p for p in sys.path if str(tmp_path) in p]))
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def second(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Make a second folder on `sys.path`, searched after the first."""

    def make() -> Path:
        folder = tmp_path / "second"
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
        return folder

    return make
