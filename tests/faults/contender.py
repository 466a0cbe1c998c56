"""Take the lock as a deploy does and write down what happened inside. Started by `races.py`.

``python contender.py ROOT NAME WAIT ROUNDS``: at each line on standard input, once, it tries for the lock at the moment (seconds of
CLOCK_MONOTONIC) that the line names, and prints ``in START END`` or ``refused``. A second one inside at the same time cannot
create the canary file and prints ``overlap``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stagecraft_hookspecs.errors import LockHeld
from stagecraft_hookspecs.state import Holder
from stagecraft_hookspecs.values import Release
from stagecraft_local import files, history, lock, places, store  # noqa: F401, loaded before the race begins
from stagecraft_local.state import Local


def contend(ctx: Any, state: Local, name: str, wait: float, number: int) -> str:
    """Try once for the lock; inside, check that nobody else is, and record a release."""
    canary = ctx.root / "canary"
    try:
        with state.lock(ctx, Holder(f"{name}@race", "deploy"), wait):
            start = time.monotonic()
            try:
                os.close(os.open(canary, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return "overlap"
            serial = len(state.releases(ctx)) + 1
            state.record(ctx, Release(f"rel-{name}-{number}", serial, ctx.environment, "v"))
            time.sleep(0.005)
            canary.unlink()
            return f"in {start!r} {time.monotonic()!r} {serial}"
    except LockHeld:
        return "refused"


def main(root: str, name: str, wait: str) -> None:
    """Contend once per line of standard input."""
    ctx: Any = SimpleNamespace(root=Path(root), environment="prod", sleep=time.sleep, monotonic=time.monotonic)
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        moment = float(line)
        while time.monotonic() < moment:
            pass
        print(contend(ctx, Local(), name, float(wait), number), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
