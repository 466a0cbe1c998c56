"""Real parts for tests on a bare Debian machine: engine, images, databases, Node, strace.

`bring_up(parts)` returns the environment variables to set, `take_down()` ends what was started; README.md says
the rest. Only the standard library is used, because this runs before any virtual environment exists.
"""

from __future__ import annotations

from .bed import bring_up, environment, take_down
from .layout import TestbedError

__all__ = ["TestbedError", "bring_up", "environment", "take_down"]
