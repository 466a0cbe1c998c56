"""Name every case of the matrix: which command, at which step of it, on which host, and what is done to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

STEPS = ("connect", "preflight", "build", "pin", "proxy", "prepare", "switch", "soak", "retire")
ROLLBACK_STEPS = ("connect", "proxy", "prepare", "switch", "retire")
MOMENTS = ("begin", "middle", "end")
CLIENT = ("client-killed", "client-interrupted", "client-terminated", "client-frozen")
LINK = ("cut", "cut-briefly", "packets-dropped", "sessions-killed", "sshd-stopped", "auth-refused", "host-key-changed")
ENGINE = ("engine-killed", "engine-hung", "engine-hung-briefly", "power-cut", "power-off", "clock-skewed")
PARTS = ("disk-full", "inodes-exhausted", "proxy-killed", "app-oom-killed")
BROKEN = ("start", "health")


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        command: `deploy`, `first` (a first deploy), `broken` (a deploy of an image that is never well) or `rollback`.
        step: An operation's name up to its colon, or `connect` for the time before any.
        host: Which of the three hosts, from 1.
        moment: `begin` and `end` stop the command there until the fault is in; `middle` is some time after the begin.
    """

    command: str
    step: str
    host: int
    moment: str
    fault: str

    @property
    def id(self) -> str:
        """Return the case's name, such as `deploy/prepare:2/middle/cut`."""
        return f"{self.command}/{self.step}:{self.host}/{self.moment}/{self.fault}"


def matrix() -> tuple[Case, ...]:
    """Return every case once, in an order in which each stretch is a fair sample of the whole; always the same one."""
    unique = {case.id: case for case in _all()}
    return tuple(sorted(unique.values(), key=lambda case: hashlib.sha256(case.id.encode()).digest()))


def choose(*only: str, every: int = 1) -> tuple[Case, ...]:
    """Return the cases whose id matches one of the patterns (or contains it), all without one; every n-th of them."""
    wanted = only or ("",)
    return tuple(c for c in matrix() if any(o in c.id or fnmatchcase(c.id, o) for o in wanted))[::every]


def _all() -> Iterator[Case]:
    yield from _client()
    yield from _spread("deploy", STEPS, (*LINK, *ENGINE, *PARTS))
    yield from _spread("rollback", ROLLBACK_STEPS, ("client-killed", "client-interrupted", "client-frozen"))
    yield from _spread(
        "rollback", ROLLBACK_STEPS, ("cut", "sessions-killed", "engine-killed", "power-cut", "image-missing")
    )
    yield from _spread("first", ("proxy", "prepare", "switch"), ("client-killed", "cut", "engine-killed", "power-cut"))
    yield from _spread("first", ("preflight", "proxy"), ("port-taken",))
    yield from _spread(
        "broken",
        ("prepare",),
        ("client-killed", "client-interrupted", "cut", "sessions-killed", "engine-killed", "none"),
    )
    yield from _spread("deploy", ("connect", "proxy", "prepare"), ("port-taken", "proxy-rejects"))
    yield from _spread("deploy", ("pin", "prepare"), ("image-missing",))
    yield from _spread("deploy", ("connect", "build", "push", "prepare"), ("registry-down", "registry-expired"))
    yield from _spread("deploy", ("preflight", "build", "prepare", "switch", "retire"), ("second-deployer",))
    yield from _spread("deploy", ("prepare", "switch", "retire"), ("overtaken",))
    yield from _spread("deploy", ("connect",), ("host-without-engine", "host-with-old-engine"))


def _client() -> Iterator[Case]:
    for number, step in enumerate(STEPS):
        for place, moment in enumerate(MOMENTS):
            for fault in CLIENT[: 4 if place == number % 3 else 2]:
                yield _case("deploy", step, number + place, moment, fault)


def _spread(command: str, steps: Sequence[str], faults: Sequence[str]) -> Iterator[Case]:
    """Bring every fault to every step, at moments and hosts that go round."""
    for row, fault in enumerate(faults):
        for column, step in enumerate(steps):
            yield _case(command, step, row + column, MOMENTS[(row + 2 * column) % 3], fault)


def _case(command: str, step: str, turn: int, moment: str, fault: str) -> Case:
    return Case(command, step, turn % 3 + 1, "before" if step == "connect" else moment, fault)
