"""Measure deploys to hosts against the same steps by hand over warm SSH: same app, same change, same caches, in turn."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.fleet import Fleet
from tests.testbed import handles, images, needs
from tests.testbed.handles import TestHost
from tests.testbed.layout import Layout
from tools.figures import Figure, NotMeasured, at_most

ROUNDS = 5
MOST = 5  # hosts
PROXY = "haproxy:3.0"
_FILE = "web/version.txt"
_DOCKERFILE = "FROM app:1\nCOPY version.txt /srv/version.txt\n"
#: The gate asks often while the app starts, by a program that costs little, so that five hosts on one machine do not wait for each
#: other's checks; how often it is asked later is no part of what is measured.
_COMPOSE = """\
services:
  web:
    build: ./web
    ports: ["8080:8000"]
    environment: {APP_TERM: drain}
    healthcheck:
      test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/8000"]
      interval: 10s
      timeout: 5s
      start_period: 30s
      start_interval: 500ms
    stop_grace_period: 10s
"""
_CONFIG = """\
project: {name: fleet, registry: REGISTRY/ours}
environments:
  prod:
    runtime: compose
    proxy: haproxy
    rollout: {soak: 0s}
    hosts: {app: [HOSTS]}
"""


def measure() -> list[Figure]:
    """Return the ratios for a one-file change on one host and on five, and the seconds of no change and of a rollback."""
    for part in (needs.docker(), needs.hosts(), needs.registry()):
        if isinstance(part, needs.Missing):
            raise NotMeasured(f"{part.reason}; STAGECRAFT_TESTBED=1 brings them up (Debian, root)")
    layout, registry = Layout(Path(os.environ[needs.HOSTS])), os.environ[needs.REGISTRY]
    found = handles.open_all(layout)
    added = () if len(found) >= MOST else handles.more(layout, MOST - len(found))
    try:
        return _on((*found, *added)[:MOST], registry)
    finally:
        handles.take_down(*added)


def _on(hosts: Sequence[TestHost], registry: str) -> list[Figure]:
    for tag in ("app:1", PROXY):
        images.ensure(tag)
    _each(hosts, handles.clean)
    _each(hosts, lambda host: images.put(host, "app:1", PROXY))
    figures: list[Figure] = []
    try:
        for chosen in (hosts[:1], hosts):
            with tempfile.TemporaryDirectory() as folder:
                figures += _figures(Path(folder), tuple(chosen), registry)
            _each(chosen, handles.clean)
    finally:
        _each(hosts, handles.clean)
    return figures


def _figures(folder: Path, hosts: tuple[TestHost, ...], registry: str) -> list[Figure]:
    config = _CONFIG.replace("REGISTRY", registry)
    ours = Fleet(folder / "ours", hosts).make(config, _COMPOSE)
    ours.write("web/Dockerfile", _DOCKERFILE)
    for name in ("ours", "hand"):
        (folder / name / "web").mkdir(parents=True, exist_ok=True)
    (folder / "hand/web/Dockerfile").write_text(_DOCKERFILE)
    with ByHand(folder / "hand", hosts, f"{registry}/hand/web") as hand:
        return _compared(ours, hand)


def _compared(ours: Fleet, hand: ByHand) -> list[Figure]:
    deploys, hands = [], []
    for number in range(ROUNDS + 1):
        ours.write(_FILE, f"ours {number}\n")
        (hand.folder / _FILE).write_text(f"hand {number}\n")
        by_hand = seconds(hand.deploy)
        deploy = seconds(lambda: ours.stagecraft("deploy", "-v", "next"))
        _served(ours, f"ours {number}\n")
        if number:  # the first round fills caches
            hands.append(by_hand)
            deploys.append(deploy)
    before = _ids(ours)
    unchanged = [seconds(lambda: ours.stagecraft("deploy", "-v", "next")) for _ in range(ROUNDS)]
    kept = _ids(ours) == before
    rollbacks, stops = [], []
    for _ in range(ROUNDS):
        ours.write(_FILE, f"back {time.monotonic()}\n")
        ours.stagecraft("deploy", "-v", "next")
        former = _ids(ours)
        rollbacks.append(seconds(lambda: ours.stagecraft("rollback")))
        assert _ids(ours) != former, "the rollback changed nothing"
        stops.append(stop_time(ours.hosts[0], "app:1"))
    ratio = statistics.median(d / h for d, h in zip(deploys, hands, strict=True))
    where = "one host" if len(ours.hosts) == 1 else f"{len(ours.hosts)} hosts"
    rollback = statistics.median(rollbacks) - statistics.median(stops)
    return [
        at_most(f"deploy of a one-file change, {where}", round(ratio, 2), "x by hand", 2.5),
        at_most(f"deploy with nothing changed, {where}", round(statistics.median(unchanged), 2), "s", 1.2),
        at_most(f"fleets whose containers that replaced, {where}", 0 if kept else 1, "fleets", 0),
        at_most(f"rollback without the app's stop time, {where}", round(rollback, 2), "s", 2.0),
    ]


@dataclass(frozen=True)
class ByHand:
    """Deploy as one would without a tool: over connections that stay open, all hosts at once, no check whether it is well."""

    folder: Path
    hosts: tuple[TestHost, ...]
    image: str

    def __enter__(self) -> ByHand:
        _each(self.hosts, lambda host: self._ssh(host, "true"))
        return self

    def __exit__(self, *_: object) -> None:
        _each(self.hosts, lambda host: self._ssh(host, "docker rm -f hand >/dev/null 2>&1 || true"))
        _each(
            self.hosts, lambda host: subprocess.run(self._command(host, "-O", "exit"), check=True, capture_output=True)
        )

    def deploy(self) -> None:
        """Build, push; on every host pull, run the new container, remove the old one."""
        _run("docker", "buildx", "build", "--load", "--quiet", "--tag", self.image, str(self.folder / "web"))
        _run("docker", "push", "--quiet", self.image)
        image = shlex.quote(self.image)
        script = (
            f"docker pull -q {image} && docker run -d --name new -e APP_TERM=drain {image}"
            " && { docker rm -f hand || true; } && docker rename new hand"
        )
        _each(self.hosts, lambda host: self._ssh(host, f"{{ {script}; }} >/dev/null"))

    def _ssh(self, host: TestHost, script: str) -> None:
        _run(*self._command(host), script)

    def _command(self, host: TestHost, *more: str) -> list[str]:
        kept = ("-oControlMaster=auto", f"-oControlPath={self.folder}/%n", "-oControlPersist=600")
        return ["ssh", "-F", str(host.ssh_config), *kept, *more, host.name]


def stop_time(host: TestHost, image: str) -> float:
    """Return the seconds that the engine takes to stop the app, which ends as soon as it has answered what was asked."""
    name = host.docker("run", "-d", "-e", "APP_TERM=drain", image).strip()
    try:
        time.sleep(1.0)  # it has begun to listen
        return seconds(lambda: host.docker("stop", name))
    finally:
        host.docker("rm", "-f", name)


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _served(fleet: Fleet, text: str) -> None:
    """Fail unless every host runs a container with the file as it was written."""
    for host in fleet.hosts:
        (name,) = _running(fleet, host)
        found = host.docker("exec", name, "cat", "/srv/version.txt")
        assert found == text, f"{host.name} runs {found!r}, not {text!r}"
        assert fleet.get(host)[0] == 200, f"{host.name} does not serve"


def _running(fleet: Fleet, host: TestHost) -> list[str]:
    return [str(c["Id"]) for c in fleet.containers(host)]


def _ids(fleet: Fleet) -> list[list[str]]:
    return [_running(fleet, host) for host in fleet.hosts]


def _each(hosts: Sequence[TestHost], work: Callable[[TestHost], object]) -> None:
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(work, hosts))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
