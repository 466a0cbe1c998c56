"""Make root file systems from Debian packages, without running any maintainer script.

What the scripts would have done and programs rely on (accounts, merged /usr, the certificate bundle, the
library cache) is done here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import apt
from .layout import Layout

BASE = ("base-files", "base-passwd", "bash", "coreutils", "dash", "findutils", "grep", "gzip", "libc-bin", "sed", "tar")
"""What a slim image has besides its own program: a shell and the usual commands."""

NEVER = (
    *("adduser", "debconf", "init-system-helpers", "lsb-base", "ucf"),
    *("libc-l10n", "locales"),
    *("libperl5.36", "libperl5.40", "perl", "perl-base", "perl-modules-5.36", "perl-modules-5.40"),
)
"""Depended on by maintainer scripts, which do not run here, and by helpers that no server needs."""

MERGED = ("bin", "sbin", "lib", "lib64")
FOLDERS = ("dev", "etc/ssl/certs", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr/local/bin")


def build(
    layout: Layout,
    name: str,
    codename: str,
    packages: Sequence[str],
    without: Sequence[str],
    finish: Callable[[Layout, Path], None],
) -> Path:
    """Return the root file system `name`, made once: `packages` and their dependencies, `finish` run on the result."""
    root = layout.roots / name
    if root.exists():
        return root
    suite = apt.open_suite(layout, codename)
    debs = apt.closure(suite, packages, (*without, *NEVER))
    draft = layout.roots / f"{name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    merge_usr(draft)
    apt.unpack(debs, draft)
    configure(draft)
    finish(layout, draft)
    draft.rename(root)
    return root


def merge_usr(root: Path) -> None:
    """Make /bin, /sbin and /lib links into /usr, as every Debian since bookworm has them."""
    for folder in MERGED:
        (root / "usr" / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).symlink_to(f"usr/{folder}")


def configure(root: Path) -> None:
    """Do what the maintainer scripts of the base packages would have done."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(0o1777)
    shutil.rmtree(root / "var/run", ignore_errors=True)
    if not (root / "var/run").is_symlink():
        (root / "var/run").symlink_to("/run")
    for table, least in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        master = root / f"usr/share/base-passwd/{table}.master"
        (root / "etc" / table).write_text(master.read_text() if master.exists() else least)
    if (root / "bin/dash").exists() and not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    _certificates(root)
    subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True, capture_output=True)


def add_account(root: Path, name: str, number: int, home: str) -> None:
    """Add a system user and group of the same name and number."""
    with (root / "etc/passwd").open("a") as passwd, (root / "etc/group").open("a") as group:
        passwd.write(f"{name}:x:{number}:{number}::{home}:/bin/sh\n")
        group.write(f"{name}:x:{number}:\n")


def _certificates(root: Path) -> None:
    """Write the bundle of trusted authorities: what this machine trusts, else what the package carries."""
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    machines_own = Path("/etc/ssl/certs/ca-certificates.crt")
    if machines_own.exists():
        shutil.copy(machines_own, bundle)
        return
    carried = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle.write_bytes(b"".join(path.read_bytes() for path in carried))
