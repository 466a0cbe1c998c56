"""Measure, compare with the goals, print a table, and write the same as JSON for those who want to keep it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GROUPS = {
    "bench": {
        "deploy": "tools.bench_deploy:measure",
        "fleet": "tools.bench_fleet:measure",
        "images": "tools.bench_images:measure",
        "plan": "tools.bench_plan:measure",
        "ssh": "tools.bench_ssh:measure",
        "startup": "tools.bench_startup:measure",
    },
    "faults": {
        "fleet": "tools.fault_groups:fleet",
        "kills": "tools.fault_groups:kills",
        "lease": "tools.fault_groups:lease",
        "load": "tools.fault_groups:load",
        "power-cuts": "tools.fault_groups:power_cuts",
        "races": "tools.fault_groups:lock_races",
    },
}
"""Task to group to the function that returns the group's figures, as `module:function`."""


@dataclass(frozen=True)
class Figure:
    """One figure, its goal in words, and whether it reaches it."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool


class NotMeasured(Exception):
    """A group cannot be measured on this machine; says why, and what would help."""


def at_most(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure that is good enough up to `limit`."""
    return Figure(name, value, unit, f"<= {limit:g}", value <= limit)


def run_figures(task: str, json_file: str = "", only: str = "") -> int:
    """Measure the groups of a task, or one of them; return 0 if every goal is met, else 1."""
    from tools.suite import real_parts

    groups = GROUPS[task]
    if only and only not in groups:
        print(f"error: {task} has no group {only!r}\nhint: there are {', '.join(sorted(groups))}", file=sys.stderr)
        return 1
    figures: list[Figure] = []
    with real_parts():
        for group in [only] if only else sorted(groups):
            print(f"{task}: {group} ...", file=sys.stderr, flush=True)
            try:
                figures += function_of(groups[group])()
            except NotMeasured as reason:
                print(f"{task}: {group} is not measured: {reason}", file=sys.stderr)
    print(table(figures))
    if json_file:
        Path(json_file).write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    return 0 if all(figure.met for figure in figures) else 1


def function_of(reference: str) -> Callable[[], list[Figure]]:
    """Return the function that `module:name` names."""
    module, _, name = reference.partition(":")
    function: Any = getattr(importlib.import_module(module), name)
    return function  # type: ignore[no-any-return]


def table(figures: list[Figure]) -> str:
    """Return the figures in columns."""
    rows = [("figure", "value", "unit", "goal", "")]
    rows += [(f.name, f"{f.value:g}", f.unit, f.goal, "met" if f.met else "MISSED") for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
