"""Write a new plugin's project from the templates beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

import attrs
from stagecraft_hookspecs.errors import ProviderError, Refused

from stagecraft.plugins_new.names import Names

_TEMPLATES = Path(__file__).parent / "templates"

#: How the kind's block stands in ``stagecraft.yml``; a migration engine belongs to a database.
_USAGE = {"migration": "databases:\n  main:\n    migrations: {{engine: {name}}}"}


def generate(names: Names, folder: Path) -> tuple[Path, ...]:
    """Write the project of a new plugin and return its files, sorted.

    Args:
        folder: The project's folder; made, with those above it.

    Raises:
        Refused: There is something in the folder already, or a file in its place.
        ProviderError: It cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise Refused(f"{folder} is there already and not empty", hint="give another folder with --path")
    written = []
    try:
        for path, text in sorted(contents(names).items()):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(target)
    except OSError as error:
        raise ProviderError(
            f"cannot write {error.filename or folder}: {error.strerror}", hint="give another folder with --path"
        ) from error
    return tuple(written)


def contents(names: Names) -> Mapping[str, str]:
    """Return the project's files: path to text. Pure but for reading the templates."""
    from stagecraft_hookspecs import __version__

    values = {
        **attrs.asdict(names),
        "classes": ", ".join(sorted((names.cls, names.config))),
        "usage": _USAGE.get(names.kind, "{kind}: {name}").format(kind=names.kind, name=names.name),
        "version": __version__,
        # before 1.0 a minor version may break plugins, from there on a major one
        "next": _next(__version__),
    }

    def fill(template: str) -> str:
        return Template((_TEMPLATES / template).read_text("utf-8")).substitute(values)

    return {
        ".gitignore": fill("gitignore.tmpl"),
        "README.md": fill("README.md.tmpl"),
        "pyproject.toml": fill("pyproject.toml.tmpl"),
        f"{names.package}/__init__.py": fill("init.py.tmpl"),
        f"{names.package}/plugin.py": fill(f"kinds/{names.kind}.tmpl"),
        f"{names.package}/py.typed": "",
        "tests/test_contract.py": fill(_test(names.kind)),
    }


def _test(kind: str) -> str:
    own = f"kinds/{kind}.test.tmpl"
    if (_TEMPLATES / own).exists():
        return own
    return "test_detecting.py.tmpl" if kind in ("backend", "frontend") else "test_contract.py.tmpl"


def _next(version: str) -> str:
    major, minor, *_ = version.split(".")
    return f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
