"""Measure a command on 50 real SSH servers against asyncssh, in turn: whole processes, from nothing to all answers."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.testbed import handles, needs
from tests.testbed.handles import TestHost
from tests.testbed.layout import Layout
from tools.bootstrap import ROOT
from tools.figures import Figure, NotMeasured, at_most

HOSTS, ROUNDS = 50, 9
CLIENTS = ("asyncssh", "ours")


def measure() -> list[Figure]:
    """Return the ratio of whole-process times, the seconds of a second round on open connections, and dropped handshakes."""
    if isinstance(part := needs.hosts(), needs.Missing):
        raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings hosts up (Debian, root)")
    layout = Layout(Path(os.environ[needs.HOSTS]))
    plain = [host for host in handles.open_all(layout) if not host.spec.engine and host.running]
    added = handles.more(layout, HOSTS - len(plain), engine="") if len(plain) < HOSTS else ()
    try:
        return _figures([*plain, *added][:HOSTS])
    finally:
        handles.take_down(*added)


def _figures(hosts: Sequence[TestHost]) -> list[Figure]:
    seconds: dict[str, list[float]] = {name: [] for name in CLIENTS}
    second, dropped = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given.json")
        given.write_text(json.dumps(_given(hosts)))
        for number in range(ROUNDS + 1):
            for name in CLIENTS:
                began = time.perf_counter()
                command = [sys.executable, "-m", "tools.ssh_clients", name, str(given)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
                took, said = time.perf_counter() - began, json.loads(done.stdout)
                if number:  # the first round fills caches
                    seconds[name].append(took)
                if name == "ours":
                    second.append(said["second"])
                    dropped += said["dropped"]
    whole = {name: statistics.median(each) for name, each in seconds.items()}
    return [
        Figure(f"asyncssh, {len(hosts)} hosts", round(whole["asyncssh"], 2), "s", "for comparison", True),
        Figure(f"ours, {len(hosts)} hosts", round(whole["ours"], 2), "s", "for comparison", True),
        at_most(f"a command on {len(hosts)} hosts", round(whole["ours"] / whole["asyncssh"], 2), "x asyncssh", 1.5),
        at_most("a second round on open connections", round(statistics.median(second), 3), "s", 0.3),
        at_most(f"handshakes dropped of {len(hosts) * (ROUNDS + 1)}", dropped, "handshakes", 0),
    ]


def _given(hosts: Sequence[TestHost]) -> dict[str, object]:
    first = hosts[0]
    return {
        "hosts": [[host.name, host.address, host.user, host.port] for host in hosts],
        "config": str(first.ssh_config),
        "key": str(first.key),
        "known_hosts": str(first.known_hosts),
    }
