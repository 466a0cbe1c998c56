"""Run every fault in full and print one table: ``python -m tests.faults [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import os
import sys

from tests.faults import calls, durability, powercut, races, report

#: The real commands are killed at every call; failing each call is done at every call of the state alone.
FULL = (("state", ("SIGKILL", "EIO", "ENOSPC"), 1), ("deploy", ("SIGKILL",), 1), ("rollback", ("SIGKILL",), 1))
QUICK = (("state", ("SIGKILL", "EIO", "ENOSPC"), 10), ("deploy", ("SIGKILL",), 40), ("rollback", ("SIGKILL",), 40))


def main(argv: list[str] | None = None) -> int:
    """Print the counts; return 1 where one misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take a sample of the calls")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    options = parser.parse_args(argv)
    if reason := calls.missing():
        print(f"error: {reason}\nhint: run this on Linux, outside a sandbox that forbids seccomp", file=sys.stderr)
        return 1
    figures = races.measure() + powercut.measure()
    for subject, kinds, every in QUICK if options.quick else FULL:
        figures += durability.measure([subject], kinds, every, options.jobs)
    return report.finish(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
