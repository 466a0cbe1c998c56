"""The downtime meter: while a release takes over, its routes are asked again and again, and what fails is counted.

A probe asks one route of one host at a steady pace over connections of its own, so that it notices what a new visitor would.
It counts from its first good answer on: before that nothing was up that could go down.
"""

from __future__ import annotations

import http.client
import math
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

#: Seconds between two requests of a probe.
INTERVAL = 0.1
#: Seconds after which a request counts as failed.
TIMEOUT = 5.0
#: Failures in a row that make a route count as down.
DOWN = 5


@attrs.frozen
class Probe:
    """Say what to ask.

    Attributes:
        route, host: What is measured, for the record.
        address, port: Where it is reached from this machine.
        name: The host name to ask for; empty means the address.
        tls: Whether to speak TLS. The certificate is not checked: this measures whether requests are answered.
    """

    route: str
    host: str
    address: str
    port: int
    path: str = "/"
    name: str = ""
    tls: bool = False


@attrs.define
class Tally:
    """Count what one probe saw; times are in seconds on a clock that never goes back."""

    requests: int = 0
    failures: int = 0
    in_a_row: int = 0
    gap: float = 0.0
    last_good: float = -1.0
    latencies: list[float] = attrs.field(factory=list, repr=False)

    def add(self, began: float, ended: float, good: bool) -> None:
        """Count one request; what fails before the first good answer is left out."""
        if good:
            if self.last_good >= 0 and self.in_a_row:
                self.gap = max(self.gap, ended - self.last_good)
            self.last_good, self.in_a_row = ended, 0
            self.latencies.append(ended - began)
        elif self.last_good < 0:
            return
        else:
            self.failures += 1
            self.in_a_row += 1
        self.requests += 1

    def close(self, now: float) -> None:
        """Count a gap that is still open."""
        if self.in_a_row:
            self.gap = max(self.gap, now - self.last_good)


class Meter:
    """Run probes in threads until stopped.

    Args:
        probes: What to ask.
        monotonic: The clock.
    """

    def __init__(self, probes: Sequence[Probe], monotonic: Callable[[], float], interval: float = INTERVAL) -> None:
        self._monotonic, self._interval = monotonic, interval
        self._tallies = {probe: Tally() for probe in probes}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to ask."""
        for probe in self._tallies:
            thread = threading.Thread(target=self._run, args=(probe,), name=f"probe {probe.route}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> dict[str, Any]:
        """Stop asking and return what was seen, as data; empty where nothing ever answered. Safe to repeat."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 1.0)
        for tally in self._tallies.values():
            tally.close(self._monotonic())
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Return requests, failures, the longest gap and the 95th percentile of the latency, in all and per route."""
        seen = {probe: tally for probe, tally in self._tallies.items() if tally.requests}
        if not seen:
            return {}
        routes = [
            {"route": p.route, "host": p.host, **_figures([t])}
            for p, t in sorted(seen.items(), key=lambda item: (item[0].route, item[0].host))
        ]
        return {**_figures(list(seen.values())), "routes": routes}

    def down(self) -> tuple[Probe, ...]:
        """Return the probes that have failed several times in a row."""
        return tuple(p for p, t in self._tallies.items() if t.in_a_row >= DOWN)

    def _run(self, probe: Probe) -> None:
        tally = self._tallies[probe]
        due = self._monotonic()
        while not self._stop.is_set():
            began = self._monotonic()
            good = answers(probe)
            if not self._stop.is_set() or good:
                tally.add(began, self._monotonic(), good)
            due = max(due + self._interval, self._monotonic())
            self._stop.wait(due - self._monotonic())


def answers(probe: Probe, timeout: float = TIMEOUT) -> bool:
    """Ask once; return whether an answer came that is no server's error."""
    connection: http.client.HTTPConnection
    try:
        if probe.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = _Tls(probe.address, probe.port, probe.name or probe.address, context, timeout)
        else:
            connection = http.client.HTTPConnection(probe.address, probe.port, timeout=timeout)
        try:
            headers = {"Host": probe.name or probe.address, "User-Agent": "stagecraft-probe", "Connection": "close"}
            connection.request("GET", probe.path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status < 500
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def in_words(seen: Mapping[str, Any]) -> str:
    """Return what a meter saw, on one line; empty where nothing was measured."""
    if not seen:
        return ""
    failures = seen["failures"]
    lost = f"{failures} failed, longest gap {seen['longest_gap_seconds']:.1f} s" if failures else "none failed"
    return f"{seen['requests']} probes of its routes: {lost}; 95% answered within {seen['p95_seconds'] * 1000:.0f} ms"


class _Tls(http.client.HTTPConnection):
    """Connect to an address and ask for another name, as a browser does behind a forwarded port."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout)
        self._name, self._context = name, context

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


def _figures(tallies: Sequence[Tally]) -> dict[str, Any]:
    latencies = sorted(value for t in tallies for value in t.latencies)
    p95 = latencies[math.ceil(len(latencies) * 0.95) - 1] if latencies else 0.0
    return {
        "requests": sum(t.requests for t in tallies),
        "failures": sum(t.failures for t in tallies),
        "longest_gap_seconds": round(max(t.gap for t in tallies), 3),
        "p95_seconds": round(p95, 4),
    }
