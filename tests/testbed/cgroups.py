"""Prepare control groups for an engine, and remove those it made."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .processes import JAIL

MOUNTED = Path("/sys/fs/cgroup")

MOUNT = """
cg=/sys/fs/cgroup
if ! mountpoint -q $cg; then
  if grep -q 'cgroup2$' /proc/filesystems && ! awk '$2 > 0 { used = 1 } END { exit !used }' /proc/cgroups; then
    mount -t cgroup2 cgroup2 $cg
  else
    mount -t tmpfs -o mode=755 cgroup $cg
    for c in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
      mkdir $cg/$c && mount -t cgroup -o $c cgroup $cg/$c || rmdir $cg/$c
    done
  fi
fi
"""
"""Shell script: where no control groups are mounted, mount what the kernel offers, version 2 unless 1 is in use."""


def make_room(base: Path) -> None:
    """Let `base` have child groups with controllers, where it is a version 2 group below the true root.

    That is so in a container: such a group may hold either processes or children with controllers, so its
    processes move to a child called `init` first. The true root has no such rule, and no file `cgroup.type`;
    version 1 has no file `cgroup.controllers`.
    """
    if not ((base / "cgroup.type").exists() and (base / "cgroup.controllers").exists()):
        return
    (base / "init").mkdir(exist_ok=True)
    for pid in (base / "cgroup.procs").read_text().split():
        _write(base / "init/cgroup.procs", pid)
    for controller in (base / "cgroup.controllers").read_text().split():
        _write(base / "cgroup.subtree_control", f"+{controller}")


def remove(name: str, prelude: str) -> None:
    """Remove the groups called `name` in every hierarchy; `prelude` is the shell script that makes them visible."""
    anywhere = ["(", "-path", f"*/{name}", "-o", "-path", f"*/{name}/*", ")"]
    find = ["find", str(MOUNTED), "-depth", *anywhere, "-type", "d", "-exec", "rmdir", "{}", ";"]
    subprocess.run([*JAIL, "sh", "-eu", "-c", prelude, "cgroups", *find], capture_output=True, check=False)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:  # a process that has ended, or a controller that this container may not hand on
        return
