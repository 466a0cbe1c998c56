"""Let 2 to 8 runners migrate one database at the same moment, many times, and count what was applied how often.

    python races.py --engine sqlite|postgres|mariadb [--rounds N]

Every file must be applied by exactly one runner, and every runner must end well, the losers with nothing applied.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash_matrix import Bed, files, verdict
from rawsql_harness import Project


def race(bed: Bed, runners: int) -> tuple[list[int], Counter[str], list[str]]:
    """Start the runners together. Return their exit codes, how often each file was applied, and faults."""
    bed.fresh()
    plan = Project(bed.root, bed.url()).plan()
    gate_reader, gate_writer = os.pipe()
    reader, writer = os.pipe()
    children = []
    for _ in range(runners):
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(gate_writer)
                os.read(gate_reader, 1)  # returns when the parent closes its end
                applied = Project(bed.root, bed.url(), lock_wait=120.0).apply(plan)
                os.write(writer, "".join(f"{a.name}\n" for a in applied).encode())
                code = 0
            except Exception as error:
                os.write(writer, f"error {type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        children.append(child)
    os.close(gate_reader)
    os.close(writer)
    os.close(gate_writer)
    with os.fdopen(reader) as stream:
        lines = stream.read().splitlines()
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    names = Counter(line for line in lines if not line.startswith("error "))
    faults = [line for line in lines if line.startswith("error ")] + verdict(bed)
    faults += [f"{name} was applied by {names[name]} runners" for name in files(bed.engine) if names[name] != 1]
    return codes, names, faults


def races(engine: str, *, server: str = "", rounds: int = 50, seed: int = 1) -> dict[str, int]:
    """Hold ``rounds`` races. Return counts; print the faults."""
    root = Path(tempfile.mkdtemp(prefix="race-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    bed, chance = Bed(engine, server, root), random.Random(seed)
    counts = Counter({"races": 0, "runners": 0, "lost well": 0, "faults": 0})
    try:
        for name, text in files(engine).items():
            Project(root, bed.url()).write(name, text)
        for _ in range(rounds):
            runners = chance.randint(2, 8)
            codes, _, faults = race(bed, runners)
            counts.update({"races": 1, "runners": runners, "lost well": codes.count(0) - 1, "faults": len(faults)})
            for fault in faults:
                print(f"{engine} with {runners} runners: {fault}")
        return dict(counts)
    finally:
        bed.drop()
        shutil.rmtree(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--engine", choices=("sqlite", "postgres", "mariadb"), required=True)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = os.environ.get(f"STAGECRAFT_TEST_{options.engine.upper()}", "")
    begun = time.monotonic()
    counts = races(options.engine, server=server, rounds=options.rounds, seed=options.seed)
    print(options.engine, ", ".join(f"{k} {v}" for k, v in counts.items()), f"in {time.monotonic() - begun:.1f} s")
    sys.exit(bool(counts["faults"]))


if __name__ == "__main__":
    main()
