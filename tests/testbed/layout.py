"""Say where the testbed keeps its files, and what its errors look like."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LONGEST_ROOT = 70
"""Longest cache path in characters: unix socket paths under it must stay below 108 bytes."""


class TestbedError(Exception):
    """A part that could not be brought up: one sentence, and the next step as `hint`."""

    __test__ = False  # the name starts with "Test"; pytest must not collect it

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one testbed; everything it writes lies under `root`."""

    root: Path

    @property
    def apt(self) -> Path:
        """Package lists and downloaded packages, one folder per suite."""
        return self.root / "apt"

    @property
    def roots(self) -> Path:
        """Root file systems unpacked from packages."""
        return self.root / "roots"

    @property
    def images(self) -> Path:
        """Image archives, one tar per recipe."""
        return self.root / "images"

    @property
    def engine(self) -> Path:
        """Data, sockets and log of the container engine."""
        return self.root / "engine"

    @property
    def databases(self) -> Path:
        """Data and logs of the database servers; made anew at each start."""
        return self.root / "databases"

    @property
    def hosts(self) -> Path:
        """Disks, logs and records of the hosts, one folder each; gone after `down`."""
        return self.root / "hosts"

    @property
    def ssh(self) -> Path:
        """The client's keys and configuration, and the hosts' own keys, which outlive `down`."""
        return self.root / "ssh"

    @property
    def registry(self) -> Path:
        """Configuration, accounts and contents of the registries; made anew at each start."""
        return self.root / "registry"

    @property
    def bin(self) -> Path:
        """Commands offered to tests; goes first on PATH."""
        return self.root / "bin"

    @property
    def sbin(self) -> Path:
        """Commands only the testbed itself runs (ip, iptables, runc, dockerd)."""
        return self.root / "sbin"

    @property
    def state(self) -> Path:
        """What is up: processes by identity, and the environment to set."""
        return self.root / "state.json"


def default_layout() -> Layout:
    """Return the layout under `STAGECRAFT_TESTBED_DIR`, or under the user's cache folder."""
    chosen = os.environ.get("STAGECRAFT_TESTBED_DIR")
    if chosen:
        root = Path(chosen)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecraft-testbed"
    return checked(Layout(root.absolute()))


def checked(layout: Layout) -> Layout:
    """Return `layout`, or raise if its path is too long for the unix sockets below it."""
    if len(str(layout.root)) > LONGEST_ROOT:
        raise TestbedError(
            f"the testbed folder {layout.root} is longer than {LONGEST_ROOT} characters",
            "set STAGECRAFT_TESTBED_DIR to a shorter path; sockets below it must fit into 108 bytes",
        )
    return layout
