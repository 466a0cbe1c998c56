"""Figures with their goals: printed as a table, written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Figure:
    """Hold one figure: ``met`` says whether it reaches ``goal``."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool


def finish(figures: Sequence[Figure], file: str | None = None) -> int:
    """Print the figures, write them as a list of JSON objects to ``file``, and return 0 if all goals are met, else 1."""
    width = max((len(f.name) for f in figures), default=0)
    for f in figures:
        value = f"{f.value:g}" if isinstance(f.value, int) else f"{f.value:.3f}"
        print(f"{f.name:{width}}  {value:>8} {f.unit:10} goal {f.goal:8} {'met' if f.met else 'MISSED'}", flush=True)
    if file:
        Path(file).write_text(json.dumps([attrs.asdict(f) for f in figures], indent=1) + "\n", encoding="utf-8")
    return 0 if all(f.met for f in figures) else 1
