"""Compare Stagecraft with Docker Compose on random projects: `python -m tests.compose.differential [COUNT [SEED]]`.

Prints what differs and a count. Known: compose 2.26 calls an empty list below an override file "not a list".
"""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stagecraft_hookspecs.errors import ConfigError

from tests.compose.cases import Case
from tests.compose.random_projects import ENVIRON, PROFILE, write_project

KNOWN = ("must be a list", "must be a mapping", "must be a string")


def compare(folder: Path, seed: int) -> tuple[str, str]:
    """Return `equal`, `refused`, `known` or `different` for the project of `seed`, and what differs."""
    write_project(folder, seed)
    case = Case(folder, profiles=(PROFILE,), environ=dict(ENVIRON))
    answer = case.ask_compose()
    printed: Any = None if answer.returncode else json.loads(answer.stdout)
    refusal = ""
    try:
        ours: Any = case.load().to_dict()
    except ConfigError as error:
        ours, refusal = None, str(error)
    if printed is None and ours is None:
        return "refused", ""
    if printed is None and (folder / "compose.override.yaml").exists():
        said = answer.stderr.strip().splitlines()[-1]
        if "compose.override.yaml: " in said and said.endswith(KNOWN):
            return "known", said
    if printed == ours:
        return "equal", ""
    return "different", f"seed {seed}: compose: {answer.stderr.strip()[-300:] or printed}\n  here: {refusal or ours}"


def main(arguments: list[str]) -> int:
    """Compare COUNT projects from SEED on; return 1 if any differs."""
    count, first = (*map(int, arguments), *(200, 0)[len(arguments) :])
    counts = dict.fromkeys(("equal", "refused", "known", "different"), 0)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        seeds = range(first, first + count)
        for verdict, detail in pool.map(lambda seed: compare(Path(scratch, f"p{seed}"), seed), seeds):
            counts[verdict] += 1
            if verdict == "different":
                print(detail)
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
