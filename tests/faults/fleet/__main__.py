"""Run the fault matrix: ``python -m tests.faults.fleet [--only PATTERN]... [--every N] [--jobs N] [--results FILE] [--json FILE]``.

It needs the testbed: ``python3 -m tests.testbed up docker hosts registry`` and its ``env``. Results are kept case by case, so
that a run that was cut is continued by the same command; ``--again`` repeats those that failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import cases, matrix, table


def main(argv: list[str] | None = None) -> int:
    """Run what is chosen and not done, print the tables; return 1 where a case ended in no allowed state."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fleet", description=__doc__)
    parser.add_argument(
        "--only",
        default=[],
        action="append",
        metavar="PATTERN",
        help="cases whose id contains or matches this; may be repeated",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every n-th of them")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="fleets of three hosts each")
    parser.add_argument("--results", default="fleet-faults.jsonl", metavar="FILE", help="where outcomes are kept")
    parser.add_argument("--again", action="store_true", help="repeat what failed")
    parser.add_argument("--list", action="store_true", help="print the ids and end")
    parser.add_argument("--seconds", type=float, default=0.0, metavar="N", help="begin no case after so long")
    parser.add_argument("--json", metavar="FILE", help="write the outcomes as a list")
    options = parser.parse_args(argv)
    chosen = cases.choose(*options.only, every=options.every)
    if options.list:
        print("\n".join(case.id for case in chosen))
        return 0
    results = Path(options.results)
    matrix.run_all(chosen, results, options.jobs, again=options.again, seconds=options.seconds)
    outcomes = matrix.latest(results, chosen)
    print(table.of(outcomes, len(chosen)))
    if options.json:
        table.write(outcomes, Path(options.json))
    return 1 if any(o.verdict == "failed" for o in outcomes) or len(outcomes) < len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
