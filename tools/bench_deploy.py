"""Measure a deploy to this machine's Docker against the same steps by hand: same app, same change, same caches."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.e2e.deployed import Deployed, copy_of
from tests.testbed import needs
from tools.figures import Figure, NotMeasured, at_most

ROUNDS = 5


def measure() -> list[Figure]:
    """Return the ratio for a one-file change, the seconds of a deploy without change, and what that restarts."""
    docker = needs.docker()
    if isinstance(docker, needs.Missing):
        raise NotMeasured(f"{docker.reason}; STAGECRAFT_TESTBED=1 brings an engine up (Debian, root)")
    with tempfile.TemporaryDirectory() as folder:
        ours = copy_of("guestbook", Path(folder, "ours"), "docker", "GUESTBOOK_PORT")
        hand = copy_of("guestbook", Path(folder, "hand"), "docker", "GUESTBOOK_PORT")
        with closing(_Taken(ours, hand)):
            return _figures(ours, hand)


def _figures(ours: Deployed, hand: Deployed) -> list[Figure]:
    ours.stagecraft("deploy", "-v", "0")
    _copy_database(ours, hand)
    by_hand(hand)
    deploys, hands = [], []
    for number in range(1, ROUNDS + 1):
        for deployed in (ours, hand):
            (deployed.folder / "web/version.txt").write_text(f"{number}\n")
        hands.append(seconds(lambda: by_hand(hand)))
        deploys.append(seconds(lambda: ours.stagecraft("deploy", "-v", "next")))
        assert hand.get("/version") == ours.get("/version") == (200, f"{number}\n")
    before = ours.instances()
    unchanged = [seconds(lambda: ours.stagecraft("deploy", "-v", "next")) for _ in range(ROUNDS)]
    restarted = sum(ours.instances().get(service) != instance for service, instance in before.items())
    ratio = statistics.median(deploys) / statistics.median(hands)
    return [
        at_most("deploy of a one-file change", round(ratio, 2), "x by hand", 1.3),
        at_most("deploy with nothing changed", round(statistics.median(unchanged), 2), "s", 1.5),
        at_most("services that it restarted", restarted, "services", 0),
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_hand(deployed: Deployed) -> None:
    """Build and start as one would without Stagecraft."""
    for command in (["build"], ["up", "-d", "--wait"]):
        _compose(deployed, *command)


def _compose(deployed: Deployed, *arguments: str) -> None:
    subprocess.run(
        ["docker", "compose", "-p", f"{deployed.project}-by-hand", *arguments],
        cwd=deployed.folder,
        env={**os.environ, **deployed.variables},
        capture_output=True,
        check=True,
    )


def _copy_database(source: Deployed, target: Deployed) -> None:
    """Give the app that is deployed by hand a database with its tables, which nobody migrates there."""
    import sqlite3

    file = target.folder / "data" / "dev" / "guestbook.db"
    file.parent.mkdir(parents=True)
    with (
        closing(sqlite3.connect(source.folder / "data/docker/guestbook.db")) as have,
        closing(sqlite3.connect(file)) as copy,
    ):
        have.backup(copy)


class _Taken:
    """Take both down in the end."""

    def __init__(self, ours: Deployed, hand: Deployed) -> None:
        self._ours, self._hand = ours, hand

    def close(self) -> None:
        _compose(self._hand, "down", "-v", "--rmi", "local")
        self._ours.take_down()
