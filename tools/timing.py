"""Time commands against each other in one run, so that a slow or busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def medians(
    commands: Mapping[str, Sequence[str]], rounds: int, cwd: Path, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Run every command once per round, in turn; return each one's median in seconds. A failing command raises."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=cwd, env=environment)
            if number:  # the first round fills caches
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}
