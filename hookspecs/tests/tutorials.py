"""The plugins in the contract's docstrings, taken out and made into projects of their own."""

from __future__ import annotations

import importlib
import re
import textwrap
from pathlib import Path

import attrs

KINDS = ("backend", "ci", "cloud", "frontend", "migration", "network", "proxy", "runtime", "secrets", "state")

_FILE = re.compile(r"``(stagecraft_\w+)/plugin\.py``.*?::\n\n((?:    [^\n]*\n|\n)+)", re.DOTALL)
_ENTRY = re.compile(r'([\w-]+) = "(stagecraft_\w+)\.plugin"')


@attrs.frozen
class Tutorial:
    """Hold a docstring's plugin.

    Attributes:
        package: Its package.
        source: The text of ``plugin.py``.
        entry: The entry point's name that the docstring gives.
        cls: Name of the provider's class; empty for other than providers.
    """

    package: str
    source: str
    entry: str
    cls: str = ""

    def write(self, root: Path) -> None:
        """Write the package below a folder."""
        folder = root / self.package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "plugin.py").write_text(self.source)


def tutorial(module: str) -> Tutorial:
    """Return the plugin of a module's docstring."""
    text = importlib.import_module(f"stagecraft_hookspecs.{module}").__doc__ or ""
    found = _FILE.search(text)
    assert found, f"{module} has no tutorial"
    source = textwrap.dedent(found[2]).rstrip() + "\n"
    entry = _ENTRY.search(text[found.end() :])
    assert entry, f"{module} does not say its entry point"
    assert entry[2] == found[1], f"{module}: the entry point names another package"
    classes = re.findall(r"^    return (\w+)$", source, re.MULTILINE)
    return Tutorial(found[1], source, entry[1], classes[-1] if classes else "")


def phase_examples() -> list[str]:
    """Return the examples of phases.py: the wrapper, the planned operation."""
    text = importlib.import_module("stagecraft_hookspecs.phases").__doc__ or ""
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    return [textwrap.dedent(block).strip() + "\n" for block in blocks]
