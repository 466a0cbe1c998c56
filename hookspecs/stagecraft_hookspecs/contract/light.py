"""Measure what importing a plugin's module costs and brings along, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import attrs

#: Importing one of these takes longer than all that a plan does; plugins import them inside the functions that use them.
HEAVY = ("docker", "fabric", "hypothesis", "invoke", "jsonschema", "pytest", "requests", "rich", "stagecraft", "yaml")

_PROGRAM = """
import sys
sys.path[:] = {path!r}
import json, time
from stagecraft_hookspecs import {kinds}
before = time.process_time()
import {module}
cost = time.process_time() - before
json.dump([cost * 1000, sorted(name for name in {heavy!r} if name in sys.modules)], sys.stdout)
"""

_KINDS = "backend, ci, cloud, commands, context, errors, frontend, migration, network, phases, proxy, runtime, secrets, state"


@attrs.frozen
class Cost:
    """Say what an import cost: milliseconds of processor time over the contract's own, and the heavy modules it brought."""

    milliseconds: float
    heavy: tuple[str, ...]


def import_cost(module: str, heavy: tuple[str, ...] = HEAVY) -> Cost:
    """Import a module in a fresh process and return what it cost."""
    program = _PROGRAM.format(path=[p for p in sys.path if p], kinds=_KINDS, module=module, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{module} cannot be imported by itself:\n{done.stderr}"
    milliseconds, brought = json.loads(done.stdout)
    return Cost(milliseconds, tuple(brought))
