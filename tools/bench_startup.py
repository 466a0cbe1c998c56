"""Measure what a command costs before it does anything, as a multiple of an empty Python."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tools.bootstrap import ROOT
from tools.figures import Figure, at_most
from tools.timing import medians

ROUNDS = 15
GOALS = {"--version": 4, "--help": 10, "plan": 15}


def measure() -> list[Figure]:
    """Return the three ratios, each the median of `ROUNDS` runs."""
    stagecraft = str(Path(sys.executable).with_name("stagecraft"))
    with tempfile.TemporaryDirectory() as folder:
        project = shutil.copytree(ROOT / "examples" / "guestbook", Path(folder, "guestbook"))
        commands = {
            "empty": [sys.executable, "-c", "pass"],
            "--version": [stagecraft, "--version"],
            "--help": [stagecraft, "--help"],
            "plan": [stagecraft, "plan", "-e", "local"],
        }
        seconds = medians(commands, ROUNDS, project)
    return [
        at_most(f"stagecraft {n}", round(seconds[n] / seconds["empty"], 2), "x python", g) for n, g in GOALS.items()
    ]
