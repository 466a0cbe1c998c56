"""Find the project's configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = ("stagecraft.yml", "stagecraft.yaml", "stagecraft.toml")
PYPROJECT = "pyproject.toml"
VARIABLE = "STAGECRAFT_CONFIG"

_CHOICE = "stagecraft.yml, stagecraft.yaml, stagecraft.toml or [tool.stagecraft] in pyproject.toml"


def find(cwd: Path, explicit: str | None, environ: Mapping[str, str]) -> Path:
    """Return the path of the configuration file.

    `explicit` (the flag `--config`) wins over the variable STAGECRAFT_CONFIG; either names a file, or a folder to look
    in. Otherwise look in `cwd` and its parents, up to the first folder with a `.git` or the root of the file system.
    Raise UserError when there is none, or when one folder has two.
    """
    named = explicit or environ.get(VARIABLE)
    if named:
        return _named((cwd / named).absolute(), "--config" if explicit else VARIABLE)
    looked = []
    for folder in (cwd.absolute(), *cwd.absolute().parents):
        looked.append(folder)
        if found := in_folder(folder):
            return found
        if (folder / ".git").exists():
            break
    above = f" and above it up to {looked[-1]}" if len(looked) > 1 else ""
    raise UserError(
        f"no configuration here: looked for {_CHOICE} in {looked[0]}{above}",
        hint="run `stagecraft init` to write a stagecraft.yml, or name a file with --config PATH",
    )


def in_folder(folder: Path) -> Path | None:
    """Return the configuration file of one folder, or None; raise UserError when it has two."""
    found = [folder / name for name in FILES if (folder / name).exists()]
    if _has_table(folder / PYPROJECT):
        found.append(folder / PYPROJECT)
    if len(found) > 1:
        names = [f"[tool.stagecraft] in {PYPROJECT}" if p.name == PYPROJECT else p.name for p in found]
        raise UserError(
            f"{folder} has {len(found)} configurations: {' and '.join(names)}",
            hint=f"keep one of them, or name one with --config {found[0].name}",
        )
    return found[0] if found else None


def _named(path: Path, source: str) -> Path:
    if path.is_dir():
        if found := in_folder(path):
            return found
        raise UserError(
            f"no configuration in the folder {path}, which {source} names: looked for {_CHOICE}",
            hint=f"run `stagecraft init` there, or name a file with {source}",
        )
    if not path.exists():
        raise UserError(
            f"no configuration at {path}, which {source} names",
            hint=f"correct {source}, or run `stagecraft init` to write a stagecraft.yml",
        )
    return path


def _has_table(path: Path) -> bool:
    """Tell whether a pyproject.toml has a table for us; one that cannot be read counts only when it seems to."""
    try:
        raw = path.read_bytes()
    except OSError:
        return False
    if b"stagecraft" not in raw:
        return False
    import tomllib

    try:
        tool = tomllib.loads(raw.decode("utf-8", "replace")).get("tool")
    except (tomllib.TOMLDecodeError, RecursionError):
        return b"[tool.stagecraft" in raw
    return isinstance(tool, dict) and "stagecraft" in tool
