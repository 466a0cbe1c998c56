"""Values: what is to be sent where, and what came of it. They travel as JSON between the two processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("get", "close", "post", "stream", "ws")
"""GET on kept connections, GET with `Connection: close`, POST on kept connections, a long answer, a WebSocket's echo."""

PATHS = {"get": "/", "close": "/", "post": "/echo", "stream": "/stream", "ws": "/ws"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: they are spread evenly over all targets.

    Attributes:
        name: The Host header, and the name asked for in TLS; empty means the address.
        ca: File with the certificate that TLS must lead to; empty means that any will do.
    """

    address: str
    port: int
    name: str = ""
    tls: bool = False
    ca: str = ""

    @property
    def host(self) -> str:
        """Return the Host header."""
        return self.name or f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `[https://]ADDRESS:PORT[=NAME]`; raises ValueError."""
        rest, _, name = text.partition("=")
        tls = rest.startswith("https://")
        address, _, port = rest.removeprefix("https://").removeprefix("http://").rstrip("/").rpartition(":")
        if not address or not port.isdigit():
            raise ValueError(f"{text!r} is no target; write [https://]ADDRESS:PORT[=NAME]")
        return cls(address.strip("[]"), int(port), name, tls)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send.

    Attributes:
        rates: Kind to requests a second, over all targets together.
        seconds: The run ends by itself after them.
        count: It also ends after so many requests; 0 means that only time counts.
        timeout: Seconds that a request may take.
        sockets: WebSockets that are held open per target.
        paths: Kind to its path, for servers other than `tests.load.app`.
        body: Bytes of a POST, which the answer must repeat.
        most: Requests in flight at once; one that would be more is a failure of the client: `saturated`.
    """

    targets: tuple[Target, ...]
    rates: Mapping[str, float]
    seconds: float = 600.0
    count: int = 0
    timeout: float = 10.0
    sockets: int = 4
    paths: Mapping[str, str] = field(default_factory=dict)
    body: int = 1024
    most: int = 2000

    def __post_init__(self) -> None:
        if not self.targets or not any(self.rates.values()):
            raise ValueError("there must be a target and a rate above 0")
        if unknown := sorted({*self.rates, *self.paths} - set(KINDS)):
            raise ValueError(f"no kind {unknown[0]!r}; there are {', '.join(KINDS)}")

    def path(self, kind: str) -> str:
        """Return a kind's path."""
        return self.paths.get(kind, PATHS[kind])

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "targets": tuple(Target(**t) for t in data["targets"])})


@dataclass(frozen=True, slots=True)
class KindResult:
    """What came of one kind of request.

    Attributes:
        sent: Requests begun. `answered`, `cut` and the sum of `failed` make it up.
        failed: Class of failure to count: `connect`, `reset`, `eof` (closed before the whole answer), `timeout`,
            `status-503`, `wrong` (the answer is not what was sent), `saturated` (the client could not).
        reconnects: WebSockets that ended and were opened again. No failures.
        cut: Echoes that were awaited when the server closed their WebSocket in order, with a close frame: no failures
            either, for the client knows. One that ends without a close frame while an echo is awaited is an `eof`.
        p50, p95, p99, max: Seconds from when a request was due to its whole answer.
        gap: Longest time in seconds without a good answer, between the first and the last one due.
        versions: Value of the answers' `X-Version` header to count.
        examples: The first few failures in words, with the seconds since the start.
    """

    sent: int = 0
    answered: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    reconnects: int = 0
    cut: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    gap: float = 0.0
    versions: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        """Return how many failed, of whatever class."""
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a run: by kind, and over how many seconds. `late` is how far the client itself fell behind, at most."""

    kinds: Mapping[str, KindResult]
    seconds: float
    late: float = 0.0

    @property
    def sent(self) -> int:
        """Return how many requests were begun."""
        return sum(k.sent for k in self.kinds.values())

    @property
    def lost(self) -> int:
        """Return how many of them failed."""
        return sum(k.lost for k in self.kinds.values())

    @property
    def reconnects(self) -> int:
        """Return how many WebSockets were opened again."""
        return sum(k.reconnects for k in self.kinds.values())

    @property
    def cut(self) -> int:
        """Return how many echoes were cut off by an orderly close."""
        return sum(k.cut for k in self.kinds.values())

    def to_json(self) -> str:
        """Return the results as JSON, indented."""
        return json.dumps({**asdict(self), "sent": self.sent, "lost": self.lost}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        kinds = {name: KindResult(**{**k, "examples": tuple(k["examples"])}) for name, k in data["kinds"].items()}
        return cls(kinds, data["seconds"], data["late"])

    def __str__(self) -> str:
        head = f"{'kind':8}{'sent':>8}{'lost':>6}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'gap':>9}  failures"
        lines = [
            f"{self.sent} sent in {self.seconds:.1f} s, {self.lost} lost, {self.reconnects} reconnects, {self.cut} cut",
            head,
        ]
        for name, k in self.kinds.items():
            times = "".join(f"{t * 1000:7.1f}ms" for t in (k.p50, k.p95, k.p99, k.max, k.gap))
            why = ", ".join(f"{c} {n}" for c, n in sorted(k.failed.items()))
            lines.append(f"{name:8}{k.sent:8}{k.lost:6}{times}  {why}".rstrip())
            lines += [f"        {example}" for example in k.examples]
        return "\n".join(lines)
