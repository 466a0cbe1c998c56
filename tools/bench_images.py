"""Measure what sending an image to a host over SSH puts on its network, by the counter of the host's interface."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from stagecraft_hookspecs.values import LOCAL, Host, Image

from tests.images.fleet import Fleet, Run, content
from tests.testbed import handles, needs
from tests.testbed.handles import TestHost
from tests.testbed.layout import Layout
from tools.figures import Figure, NotMeasured, at_most

IMAGE, CHANGE = 195, 5  # megabytes that do not change, and that do
CHANGES = 3


def measure() -> list[Figure]:
    """Return bytes on the wire for a change against the bytes of its layers, those of no change, and the memory it takes."""
    for part in (needs.docker(), needs.hosts()):
        if isinstance(part, needs.Missing):
            raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings hosts up (Debian, root)")
    host = handles.open_all(Layout(Path(os.environ[needs.HOSTS])))[0]
    with tempfile.TemporaryDirectory() as folder:
        images = Fleet(Path(folder))
        try:
            return _figures(images, _reached(Path(folder), host), host)
        finally:
            label = f"label=test={images.name}"
            host.docker("image", "prune", "-af", "--filter", label)
            images.close()


def _figures(images: Fleet, reached: _Reached, host: TestHost) -> list[Figure]:
    base, ratios = content(IMAGE), []
    memory = 0.0
    for number in range(CHANGES + 1):
        image = images.build(base, content(CHANGE))
        before = _received(host)
        with _Memory() as taken:
            reached.deliver(image)
        if number:
            ratios.append((_received(host) - before) / (CHANGE * 1e6))
        else:
            memory = taken.most
    before = _received(host)
    reached.deliver(image)
    return [
        at_most(f"bytes for a {CHANGE} MB change", round(max(ratios), 4), "x the layer", 1.05),
        at_most("bytes for an image that is there", _received(host) - before, "bytes", 4096),
        at_most(f"memory to send {IMAGE + CHANGE} MB", round(memory), "MB", 64),
    ]


class _Reached:
    """Deliver to one host over SSH, in a new run each time, over one connection."""

    def __init__(self, root: Path, fleet: Any, host: Host) -> None:
        self._root, self._fleet, self._host = root, fleet, host

    def deliver(self, image: Image) -> str:
        fleet, there = self._fleet, self._host

        class OverSsh(Run):
            def machine(self, host: Host = LOCAL) -> Any:
                return fleet.machine(there, self.scope) if host.name == there.name else super().machine(host)

        return OverSsh(self._root, {}, {}, None).image(image, there)


def _reached(root: Path, host: TestHost) -> _Reached:
    from stagecraft.remote.fleet import Fleet as Hosts

    (root / ".stagecraft").mkdir()
    (root / ".stagecraft" / "known_hosts").write_text(host.known_hosts.read_text())
    hosts = Hosts(root, lambda message: None, {**os.environ, "STAGECRAFT_SSH_CONFIG": str(host.ssh_config)})
    there = Host(host.name, host.address, host.user, host.port)
    hosts.machine(there, Run(root, {}, {}, None).scope).docker()
    return _Reached(root, hosts, there)


def _received(host: TestHost) -> int:
    return int(host.sh("cat /sys/class/net/eth0/statistics/rx_bytes"))


class _Memory:
    """Watch how much more memory this process has than at first; `most` is in megabytes."""

    def __init__(self) -> None:
        self.most = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._first = _resident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.most = max(self.most, (_resident() - self._first) / 1e6)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
