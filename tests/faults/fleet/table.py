"""Count outcomes by fault and by step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .outcome import Outcome

VERDICTS = ("old", "new", "report", "failed")


def of(outcomes: Sequence[Outcome], wanted: int) -> str:
    """Return the tables as Markdown: fault by step, then the sums."""
    steps = sorted({_step(o) for o in outcomes}, key=_order)
    rows = [("fault", *steps, "cases", "failed")]
    for fault in sorted({_fault(o) for o in outcomes}):
        mine = [o for o in outcomes if _fault(o) == fault]
        cells = [_cell([o for o in mine if _step(o) == step]) for step in steps]
        rows.append((fault, *cells, str(len(mine)), str(sum(o.verdict == "failed" for o in mine))))
    sums = [_cell([o for o in outcomes if _step(o) == step]) for step in steps]
    rows.append(("all", *sums, str(len(outcomes)), str(sum(o.verdict == "failed" for o in outcomes))))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    counts = Counter(o.verdict for o in outcomes)
    times = sorted(o.seconds for o in outcomes if o.verdict != "failed")
    half = times[len(times) // 2] if times else 0.0
    most = times[-1] if times else 0.0
    said = ", ".join(f"{counts[v]} {v}" for v in VERDICTS)
    lines += [
        "",
        f"{len(outcomes)} of {wanted} cases: {said}; until one release served everywhere {half:g} s (median), {most:g} s (longest)",
    ]
    return "\n".join(lines)


def write(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write outcomes as a list of JSON objects."""
    file.write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")


def _cell(outcomes: Sequence[Outcome]) -> str:
    """Return counts such as `2o 1n 1r`."""
    counts = Counter(o.verdict for o in outcomes)
    return " ".join(f"{counts[v]}{v[0] if v != 'failed' else 'F'}" for v in VERDICTS if counts[v])


def _step(outcome: Outcome) -> str:
    return outcome.case.split("/")[1].partition(":")[0]


def _fault(outcome: Outcome) -> str:
    return outcome.case.split("/")[3]


def _order(step: str) -> int:
    order = ("connect", "preflight", "build", "pin", "push", "proxy", "prepare", "switch", "soak", "retire")
    return order.index(step)
