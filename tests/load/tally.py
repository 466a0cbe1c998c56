"""Count as requests come back."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field

from .model import KindResult

_EXAMPLES = 5


@dataclass(slots=True)
class Tally:
    """Gather what came of one kind's requests; times are seconds since the start."""

    sent: int = 0
    answered: int = 0
    reconnects: int = 0
    cut: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    first: float = math.inf
    last: float = 0.0

    def due(self, at: float) -> None:
        """Note that a request is begun."""
        self.sent += 1
        self.first, self.last = min(self.first, at), max(self.last, at)

    def good(self, due: float, now: float, version: str) -> None:
        """Note a good answer."""
        self.answered += 1
        self.times.append(now - due)
        self.ends.append(now)
        if version:
            self.versions[version] += 1

    def bad(self, why: str, now: float, words: str) -> None:
        """Note a failure."""
        self.failed[why] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{now:.3f} s: {why}: {words}")

    def result(self) -> KindResult:
        """Return the sums."""
        times = sorted(self.times)
        marks = [self.first, *sorted(e for e in self.ends if self.first <= e < self.last), self.last]
        gap = max((b - a for a, b in itertools.pairwise(marks)), default=0.0) if self.sent else 0.0
        return KindResult(
            sent=self.sent,
            answered=self.answered,
            failed=dict(sorted(self.failed.items())),
            reconnects=self.reconnects,
            cut=self.cut,
            p50=_percentile(times, 50),
            p95=_percentile(times, 95),
            p99=_percentile(times, 99),
            max=times[-1] if times else 0.0,
            gap=gap,
            versions=dict(sorted(self.versions.items())),
            examples=tuple(self.examples),
        )


def _percentile(ordered: list[float], percent: int) -> float:
    """Return the smallest value that so many percent of all do not exceed; 0 without any."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
