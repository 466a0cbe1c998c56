"""Keep each release's filled units, and the snapshots that releases need."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from stagecraft_process import layout, parts

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

#: Seconds for which a snapshot that no release refers to is kept: its deploy may still be on the way.
GRACE = 3600.0


def fill_unit(ctx: Context, home: str, unit: dict[str, Any], digest: str) -> dict[str, Any]:
    """Return a unit with secrets and folders filled in and ``cwd`` set; makes the folders of its volumes.

    What only the running instance knows (ports) is left for the supervisor.
    """
    folder = layout.snapshot_folder(home, digest)

    def known(part: dict[str, Any]) -> str | None:
        if "volume" in part:
            return layout.volume_folder(home, part["volume"])
        if "project" in part:
            return os.path.normpath(os.path.join(os.path.realpath(ctx.root), part["project"]))
        return os.path.join(folder, part["snapshot"]).rstrip("/") if "snapshot" in part else None

    def literal(text: str) -> str:
        return ctx.fill(text).reveal() if "<secret:" in text else text

    for name in unit["volumes"]:
        os.makedirs(layout.volume_folder(home, name), mode=0o755, exist_ok=True)
    health = unit["health"]
    return {
        **unit,
        "cwd": os.path.join(folder, unit["folder"]) if unit["folder"] else folder,
        "argv": [parts.fill(a, known, literal) for a in unit["argv"]],
        "env": {k: parts.fill(v, known, literal) for k, v in unit["env"].items()},
        "health": health and {**health, "test": [parts.fill(a, known, literal) for a in health["test"]]},
    }


def keep(ctx: Context, home: str, release: str, service: str, unit: dict[str, Any]) -> None:
    """Store a filled unit, for one-off runs and to know which snapshots the release needs."""
    data = json.dumps(unit, sort_keys=True).encode()
    os.makedirs(home, mode=0o700, exist_ok=True)
    ctx.machine().write(layout.unit_file(home, release, service), data, mode=0o600)


def forget(ctx: Context, home: str, release: str) -> None:
    """Remove a release's units."""
    if release:
        ctx.machine().remove(os.path.join(home, "releases", release))


def snapshots_of(home: str, release: str) -> set[str]:
    """Return the names of the snapshots that a stored release needs."""
    folder = os.path.join(home, "releases", release)
    found = set()
    for name in os.listdir(folder) if release and os.path.isdir(folder) else ():
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            cwd = os.path.relpath(json.load(stream)["cwd"], os.path.join(home, "snapshots"))
        found.add(cwd.partition("/")[0])
    return found


def collect(home: str, needed: set[str], stale: set[str]) -> None:
    """Remove the snapshots to which no stored release, no group and no digest in ``needed`` refers.

    Those in ``stale`` go at once, others once they are older than ``GRACE``.
    """
    used = {digest.replace(":", "-") for digest in needed}
    folder = os.path.join(home, "releases")
    for release in os.listdir(folder) if os.path.isdir(folder) else ():
        used |= snapshots_of(home, release)
    base = os.path.join(home, "snapshots")
    for name in os.listdir(base) if os.path.isdir(base) else ():
        path = os.path.join(base, name)
        known = name.removesuffix(".json")
        if known not in used and (known in stale or time.time() - os.lstat(path).st_mtime > GRACE):
            _remove(path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)
