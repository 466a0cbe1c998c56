"""Provide the small commands that a bare Debian lacks: ip, iptables, runc, ssh, strace.

They come from the machine's own suite, so they fit its C library, and are unpacked under the cache. A
command that the system has is left to the system.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from . import apt
from .layout import Layout, TestbedError
from .roots import merge_usr

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSH = ("ssh", "ssh-add", "ssh-agent", "ssh-keygen", "ssh-keyscan", "scp", "sftp")
PACKAGES = {
    "ip": "iproute2",
    "iptables": "iptables",
    "ip6tables": "iptables",
    "runc": "runc",
    "strace": "strace",
    **dict.fromkeys(SSH, "openssh-client"),
}
FILES = {
    "ip": "usr/bin/ip",
    "iptables": "usr/sbin/iptables-nft",
    "ip6tables": "usr/sbin/ip6tables-nft",
    "runc": "usr/sbin/runc",
    "strace": "usr/bin/strace",
    **{name: f"usr/bin/{name}" for name in SSH},
}
MACHINES_OWN = ("libc6", "libgcc-s1", "gcc-12-base", "gcc-14-base", "debconf")
"""Never unpacked: a second C library beside the one of the running loader would crash."""


def provide(layout: Layout, commands: tuple[str, ...], folder: Path) -> None:
    """Put those of `commands` that the system lacks into `folder`."""
    missing = [name for name in commands if shutil.which(name, path=SYSTEM_PATH) is None]
    if any(not (folder / name).exists() for name in missing):
        prefix = _unpacked(layout)
        folder.mkdir(parents=True, exist_ok=True)
        for name in missing:
            _offer(prefix, name, folder)


def path_of(layout: Layout, command: str) -> str:
    """Return the path of one of the testbed's own commands, or of the system's."""
    found = shutil.which(command, path=search_path(layout))
    if found is None:
        raise TestbedError(f"the command {command} is missing", f"delete {layout.root}/roots and try again")
    return found


def search_path(layout: Layout) -> str:
    """Return the PATH that the testbed's servers run with."""
    return f"{layout.sbin}:{layout.bin}:{SYSTEM_PATH}"


def server_environment(layout: Layout) -> Mapping[str, str]:
    """Return the environment for servers: none of the caller's settings reach them, bar proxies."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {"PATH": search_path(layout), "HOME": "/root", "LANG": "C.UTF-8", **proxies}


def wrapper(program: Path, prefix: Path) -> str:
    """Return a shell script that runs `program` with the libraries under `prefix`.

    The loader gets the library path as an argument: as a variable it would reach the program's children.
    """
    triplet = next((prefix / "usr/lib").glob("*-linux-gnu"))
    loader = next(
        path for pattern in ("lib64/ld-linux-*.so.*", "lib/ld-linux-*.so.*") for path in Path("/").glob(pattern)
    )
    return (
        "#!/bin/sh\n"
        f"XTABLES_LIBDIR='{triplet}/xtables' "
        f"exec {loader} --argv0 {program.name} --library-path '{triplet}' '{program}' \"$@\"\n"
    )


def _unpacked(layout: Layout) -> Path:
    packages = sorted(set(PACKAGES.values()))
    prefix = layout.roots / f"tools-{hashlib.sha256(repr(packages).encode()).hexdigest()[:8]}"
    if not prefix.exists():
        suite = apt.open_suite(layout, apt.machine_codename())
        draft = prefix.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        merge_usr(draft)  # packages of bookworm still name /bin and /sbin
        apt.unpack(apt.closure(suite, packages, MACHINES_OWN), draft)
        draft.rename(prefix)
    return prefix


def _offer(prefix: Path, name: str, folder: Path) -> None:
    program = prefix / FILES[name]
    target = folder / name
    target.unlink(missing_ok=True)
    if name == "runc":  # starts itself again through /proc/self/exe, so no wrapper; all it needs, apt needs too
        target.symlink_to(program)
        return
    target.write_text(wrapper(program, prefix))
    target.chmod(0o755)
