"""Break the disk of a host that has one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.handles import TestHost
from tests.testbed.layout import TestbedError


@contextmanager
def disk_full(host: TestHost, leave: int = 0) -> Iterator[None]:
    """Fill the host's disk but for `leave` bytes; the host needs a disk of its own (`tmpfs:` or `loop:`)."""
    _own_disk(host)
    host.sh(
        f"""
        free=$(df --output=avail -B1 / | tail -1)
        [ $free -le {leave + 4194304} ] || fallocate -l $((free - {leave} - 4194304)) /filler
        if [ {leave} = 0 ]; then cat /dev/zero >>/filler 2>/dev/null || true; fi
        """
    )
    try:
        yield
    finally:
        host.sh("rm -f /filler")


@contextmanager
def inodes_exhausted(host: TestHost) -> Iterator[None]:
    """Leave the host's disk with room but without a free inode; the host needs a disk of its own."""
    _own_disk(host)
    host.sh(
        "mkdir /fillers && cd /fillers && seq $(($(df --output=iavail / | tail -1) + 9)) | xargs touch 2>/dev/null || true"
    )
    try:
        yield
    finally:
        host.sh("rm -rf /fillers")


def _own_disk(host: TestHost) -> None:
    if host.spec.disk == "dir":
        raise TestbedError(
            f"{host.name} has no disk of its own: filling it would fill the machine's",
            'use one that has: make_host(disk="loop:300M")',
        )
