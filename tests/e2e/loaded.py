"""Count what users lose while releases come and go: ``python -m tests.e2e.loaded [--requests N] [--json]``.

A constant load of every kind (kept connections, short ones, POST with a body, streams, WebSockets) runs against three hosts while
the project is deployed again, deployed broken, rolled back, and gets a route more, until so many requests were sent and each of
these was done. The hosts are those of the testbed; ``python3 -m tests.testbed up docker hosts`` brings them up.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from tests.load import Load, Results, Target
from tests.testbed import handles, images
from tests.testbed.hosts import USUAL
from tests.testbed.layout import Layout
from tests.testbed.needs import HOSTS

from .fleet import CONFIG, PORT, Fleet

#: Requests a second over all hosts, by kind.
RATES = {"get": 40.0, "close": 20.0, "post": 30.0, "stream": 4.0, "ws": 20.0}
EXTRA = 8081
#: Steps that make a round; seconds that the load may last.
STEPS, LONGEST = 7, 7200.0
PROXIES = {"haproxy": "haproxy:3.0", "caddy": "caddy:2"}


@dataclass
class Loaded:
    """Take a fleet from release to release under a load.

    Attributes:
        done: What was done, in order, by name.
        wrong: What went otherwise than it should, in words.
    """

    fleet: Fleet
    done: list[str]
    wrong: list[str]
    count: int = 1

    def deploy(self) -> None:
        """Deploy a new version, which must serve everywhere."""
        self.count += 1
        self.fleet.version(f"v{self.count}")
        self._expect("deploy", "-v", str(self.count), code=0, serving=f"v{self.count}")

    def broken(self, how: str) -> None:
        """Deploy a version that never gets well; the former one must go on serving."""
        former = self.fleet.serving()[0]
        self.fleet.version("broken", how)
        self._expect("deploy", "-v", f"broken-{how}", code=2, serving=former)
        self.fleet.version(f"v{self.count}")

    def rollback(self) -> None:
        """Put the former release back."""
        self._expect("rollback", code=0, serving="")

    def reload(self) -> None:
        """Give the proxy a route more, or take it away again: its configuration is loaded anew."""
        config = (self.fleet.folder / "stagecraft.yml").read_text()
        changed = config.removesuffix(EXTRA_ROUTE) if config.endswith(EXTRA_ROUTE) else config + EXTRA_ROUTE
        self.fleet.write("stagecraft.yml", changed)
        self.deploy()

    def _expect(self, *arguments: str, code: int, serving: str) -> None:
        ended = self.fleet.stagecraft(*arguments, code=None)
        self.done.append(" ".join(arguments[:1]))
        if ended.returncode != code:
            self.wrong.append(f"{' '.join(arguments)} ended with {ended.returncode}, not {code}: {ended.stderr[-600:]}")
        found = self.fleet.serving()
        if len(set(found)) != 1 or (serving and found[0] != serving):
            self.wrong.append(f"after {' '.join(arguments)} the hosts serve {found}, not {serving}")


EXTRA_ROUTE = f"""\
services:
  web:
    proxy: [{{listen: {PORT}}}, {{listen: {EXTRA}}}]
"""


def run(fleet: Fleet, requests: int, say: Callable[[str], None] = lambda line: None) -> tuple[Results, Loaded]:
    """Deploy, break, roll back and reload under load until `requests` were sent and every step was made at least once.

    Returns:
        What was lost, and what was done.
    """
    loaded = Loaded(fleet, [], [])
    fleet.version("v1")
    fleet.stagecraft("deploy", "-v", "1")
    load = Load([Target(h.address, PORT) for h in fleet.hosts], RATES, seconds=LONGEST).start()
    ends = time.monotonic() + requests / sum(RATES.values())
    try:
        for made, (name, step) in enumerate(_steps(loaded)):
            if made >= STEPS and time.monotonic() > ends:
                break
            say(f"{time.monotonic() - ends + requests / sum(RATES.values()):.0f} s: {name}")
            step()
    finally:
        results = load.stop()
    return results, loaded


def _steps(loaded: Loaded) -> Iterator[tuple[str, Callable[[], None]]]:
    return cycle(
        [
            ("deploy", loaded.deploy),
            ("deploy an image that does not start", lambda: loaded.broken("start")),
            ("rollback", loaded.rollback),
            ("deploy", loaded.deploy),
            ("deploy an image that is not well", lambda: loaded.broken("health")),
            ("reload the proxy with another route", loaded.reload),
            ("rollback", loaded.rollback),
        ]
    )


def measure(requests: int, proxy: str, say: Callable[[str], None]) -> tuple[Results, Loaded]:
    """Run on the testbed's usual hosts, which are empty before and after; return what was lost and what was done."""
    found = handles.open_all(Layout(Path(os.environ[HOSTS])))[:USUAL]
    images.ensure("app:1")
    for host in found:
        handles.clean(host)
        images.put(host, PROXIES[proxy])
    try:
        with tempfile.TemporaryDirectory() as folder:
            return run(Fleet(Path(folder), found).make(CONFIG.replace("haproxy", proxy)), requests, say)
    finally:
        for host in found:
            handles.clean(host)


def main(argv: list[str] | None = None) -> int:
    """Print what was sent and lost; return 1 if anything was lost or went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.loaded", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, metavar="N")
    parser.add_argument("--proxy", choices=sorted(PROXIES), default="haproxy")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(argv)
    results, loaded = measure(options.requests, options.proxy, lambda line: print(line, file=sys.stderr, flush=True))
    print(results.to_json() if options.json else results)
    for line in loaded.wrong:
        print(f"wrong: {line}", file=sys.stderr)
    print(f"{len(loaded.done)} commands: {', '.join(loaded.done)}", file=sys.stderr)
    return 1 if results.lost or loaded.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
