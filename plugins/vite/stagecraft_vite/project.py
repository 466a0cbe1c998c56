"""Find the page in the project's files: its folder, its package, its lock file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Folder

#: As Vite looks for its configuration (vite/src/node/constants.ts, DEFAULT_CONFIG_FILES).
ENDINGS = ("js", "mjs", "ts", "cjs", "mts", "cts")
#: Where a page usually lies, in this order.
FOLDERS = (".", "web", "frontend", "client", "ui", "www", "app")
#: Lock file to the package manager that wrote it.
LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
}


def join(folder: str, name: str) -> str:
    """Return a path below a folder, both relative to the project."""
    base = folder.removeprefix("./").rstrip("/")
    return name if base in ("", ".") else f"{base}/{name}"


def find_config(folder: Folder) -> str:
    """Return the path of the Vite configuration, that of the likeliest folder, or an empty string."""
    for place in (*FOLDERS, *_others(folder)):
        for ending in ENDINGS:
            path = join(place, f"vite.config.{ending}")
            if folder.exists(path):
                return path
    return ""


def place_of(config: str) -> str:
    """Return the folder of a file as a user would write it: ``./web``, or ``.``."""
    parent = config.rpartition("/")[0]
    return f"./{parent}" if parent else "."


def package(folder: Folder, place: str) -> dict[str, Any]:
    """Return the page's package.json, or an empty mapping when there is none that can be read."""
    path = join(place, "package.json")
    if not folder.exists(path):
        return {}
    try:
        document = json.loads(folder.read(path))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def manager(folder: Folder, place: str) -> str:
    """Return the package manager whose lock file lies beside the page; npm when there is none."""
    return next((tool for lock, tool in LOCKS.items() if folder.exists(join(place, lock))), "npm")


def has_lock(folder: Folder, place: str) -> bool:
    """Tell whether a lock file lies beside the page."""
    return any(folder.exists(join(place, lock)) for lock in LOCKS)


def _others(folder: Folder) -> tuple[str, ...]:
    """Return further folders of one level that have a Vite configuration, sorted."""
    return tuple(
        sorted({path.partition("/")[0] for path in folder.glob("*/vite.config.*")} - {*FOLDERS, "node_modules"})
    )
