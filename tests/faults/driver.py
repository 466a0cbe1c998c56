"""Go through the state as a deploy does, saying after each step what is now promised to be kept.

``python driver.py ROOT`` makes one release of five operations, or completes the one that an earlier run left unfinished. It
prints a line per acknowledged step: ``ack record ID PHASES``, ``ack put ID NAME TEXT``, ``ack append ID COUNT``, ``ack done ID``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.state import Holder
from stagecraft_hookspecs.values import OperationRecord, Phase, Release, Status
from stagecraft_local.state import Local


def say(*words: object) -> None:
    """Print an acknowledgement in one write, so that a kill cannot hold it back."""
    os.write(1, (" ".join(["ack", *map(str, words)]) + "\n").encode())


def deploy(ctx: Any, state: Local) -> None:
    """Make or complete a release."""
    known = state.releases(ctx)
    begun = [r for r in known if not r.complete]
    serial = begun[0].serial if begun else len(known) + 1
    release_id = f"rel-20250102-{serial:09d}"
    store = state.open(ctx, release_id)
    done = {e["operation"] for e in store.entries() if e["status"] == "completed"}
    phases = dict.fromkeys(Phase, Status.PENDING)

    def record(operations: tuple[OperationRecord, ...] = ()) -> None:
        state.record(ctx, Release(release_id, serial, "prod", f"v{serial}", phases=dict(phases), operations=operations))
        say("record", release_id, "".join(s.value[0] for s in phases.values()))

    record()
    for name in ("config.json", "host/local/compose.yaml"):
        text = f"{name}-of-{release_id}"
        store.put(name, text.encode())
        say("put", release_id, name, text)
    finished: tuple[OperationRecord, ...] = ()
    for phase in Phase:
        phases[phase] = Status.COMPLETED
        operation = f"{phase.value}:api"
        if operation not in done:
            for status in ("running", "completed"):
                store.append({"operation": operation, "status": status})
                say("append", release_id, operation, status)
        finished += (OperationRecord(operation, phase, Status.COMPLETED, 0.5),)
        if phase is Phase.FINALIZE:
            store.put("config.json", b"final")
            say("put", release_id, "config.json", "final")
        record(finished)
    say("done", release_id)


def main(root: str) -> int:
    """Deploy once and return the exit code of the error tree."""
    ctx: Any = SimpleNamespace(root=Path(root), environment="prod", sleep=time.sleep, monotonic=time.monotonic)
    state = Local()
    try:
        with state.lock(ctx, Holder("alice@laptop", "deploy")):
            deploy(ctx, state)
    except StagecraftError as e:
        print(f"error: {e.message}\nhint: {e.hint}", file=sys.stderr)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
