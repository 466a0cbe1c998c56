"""Make the root file system that all hosts share: a Debian server with sshd and Docker, without Python."""

from __future__ import annotations

import hashlib
import inspect
import shutil
from pathlib import Path

from . import roots
from .layout import Layout, TestbedError

HERE = Path(__file__).parent / "host"
USER, NUMBER = "deploy", 1000
DOCKER_GROUP = 998
USUAL = "26.1"
ENGINES = {"26.1": "trixie", "20.10": "bookworm"}
"""Engines that a host can have, and the suite whose package it is; all else on the host is of that suite too."""

COMMON = (
    *roots.BASE,
    "debianutils",
    *(
        "ca-certificates",
        "e2fsprogs",
        "gawk",
        "hostname",
        "iproute2",
        "iptables",
        "login",
        "mount",
        "netbase",
        "procps",
    ),
    *("containerd", "docker.io", "openssh-client", "openssh-server", "runc", "util-linux"),
)
PACKAGES = {
    "trixie": (*COMMON, "docker-buildx", "docker-cli", "docker-compose", "libfaketime", "tini"),
    "bookworm": (*COMMON, "libfaketime", "tini"),
}
WITHOUT = ("git", "libpam-systemd", "python3", "systemd", "systemd-sysv", "ucf", "xz-utils")


def build(layout: Layout, engine_version: str) -> Path:
    """Return the root file system with that engine; made once, then kept."""
    suite = ENGINES.get(engine_version)
    if suite is None:
        raise TestbedError(f"no host has engine {engine_version}", f"choose from: {', '.join(ENGINES)}")
    return roots.build(layout, f"host-{suite}-{_digest(suite)}", suite, PACKAGES[suite], WITHOUT, _finish)


def _digest(suite: str) -> str:
    made_of = [repr((PACKAGES[suite], WITHOUT)), inspect.getsource(roots), inspect.getsource(_finish)]
    made_of += [(HERE / name).read_text() for name in ("sshd_config", "start-engine", "start-sshd")]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:8]


def _finish(layout: Layout, root: Path) -> None:
    for name in ("start-engine", "start-sshd"):
        target = root / "usr/local/libexec" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, target)
        target.chmod(0o755)
    shutil.copy(HERE / "sshd_config", root / "etc/ssh/sshd_config.testbed")
    (root / "etc/ssh/sshd_config.d").mkdir(exist_ok=True)
    if (root / "usr/lib/openssh/sshd-session").exists():  # newer servers shut out an address after failed logins
        (root / "etc/ssh/sshd_config.d/penalties.conf").write_text("PerSourcePenalties no\n")
    with (root / "etc/passwd").open("a") as passwd, (root / "etc/group").open("a") as group:
        passwd.write("sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n")
        passwd.write(f"{USER}:*:{NUMBER}:{NUMBER}::/home/{USER}:/bin/bash\n")
        group.write(f"docker:x:{DOCKER_GROUP}:{USER}\n{USER}:x:{NUMBER}:\n")
    for command in ("iptables", "ip6tables"):
        _link(root / "usr/sbin" / command, "xtables-nft-multi")
    _link(root / "usr/bin/awk", "gawk")
    nsswitch = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
    (root / "etc/nsswitch.conf").write_text(nsswitch)
    for folder in ("etc/docker", "var/log", "var/lib/docker", "var/lib/containerd", f"home/{USER}"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
