"""Make the keys by which hosts and clients know each other, and the configuration that uses them.

They are made once and kept, so that a host looks the same after a reboot and in the next run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import tools
from .hostroot import USER
from .layout import Layout

CLIENTS = (USER, "root")
CONFIG = """\
Host {name} {address}
  HostName {address}
  User {user}
  IdentityFile {key}
Host {name}-root
  HostName {address}
  HostKeyAlias {name}
  User root
  IdentityFile {root_key}
"""
EVERYWHERE = """\
Host *
  IdentitiesOnly yes
  IdentityAgent none
  PasswordAuthentication no
  StrictHostKeyChecking yes
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
"""


def client_key(layout: Layout, user: str) -> Path:
    """Return the private key that logs in as `user` on every host."""
    return layout.ssh / f"id_{user}"


def host_key(layout: Layout, name: str) -> Path:
    """Return the private key of the host `name`."""
    return layout.ssh / "hosts" / name


def known_hosts(layout: Layout) -> Path:
    return layout.ssh / "known_hosts"


def config(layout: Layout) -> Path:
    return layout.ssh / "config"


def public(private: Path) -> str:
    """Return the public half as one line: type, key, comment."""
    return private.with_name(private.name + ".pub").read_text().strip()


def ensure(layout: Layout, names: Iterable[str]) -> None:
    """Make the keys of both clients and of the hosts `names` that are not there yet."""
    tools.provide(layout, tools.SSH, layout.bin)
    (layout.ssh / "hosts").mkdir(parents=True, exist_ok=True)
    layout.ssh.chmod(0o700)
    for user in CLIENTS:
        make(layout, client_key(layout, user), f"{user} of the testbed")
    for name in names:
        make(layout, host_key(layout, name), name)


def make(layout: Layout, private: Path, comment: str) -> None:
    """Make a pair of keys, unless it is there."""
    if private.exists():
        return
    draft = private.with_name(private.name + ".part")
    draft.unlink(missing_ok=True)
    command = [tools.path_of(layout, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(draft)]
    subprocess.run(command, check=True, capture_output=True)
    draft.with_name(draft.name + ".pub").rename(private.with_name(private.name + ".pub"))
    draft.rename(private)


def write_config(layout: Layout, addresses: dict[str, str]) -> None:
    """Write `config` and `known_hosts` for the hosts in `addresses`, by name."""
    entries = [
        CONFIG.format(
            name=name, address=address, user=USER, key=client_key(layout, USER), root_key=client_key(layout, "root")
        )
        for name, address in addresses.items()
    ]
    everywhere = EVERYWHERE.format(known_hosts=known_hosts(layout))
    _replace(config(layout), "".join(entries) + everywhere)
    lines = [f"{name},{address} {known_line(layout, name)}\n" for name, address in addresses.items()]
    _replace(known_hosts(layout), "".join(lines))


def known_line(layout: Layout, name: str) -> str:
    """Return type and key of a host, as in known_hosts."""
    return " ".join(public(host_key(layout, name)).split()[:2])


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(file.name + ".part")
    draft.write_text(text)
    draft.replace(file)
