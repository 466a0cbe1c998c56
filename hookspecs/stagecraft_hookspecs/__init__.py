"""The contract between Stagecraft and its plugins: markers and the API number, nothing else.

Import the kind you provide: ``from stagecraft_hookspecs.runtime import Runtime``.
"""

from __future__ import annotations

import pluggy

__version__ = "0.1.0"

#: Raised by one whenever a plugin written for the former contract could break.
API = 1

#: The pluggy project, and the entry-point group in which plugins are found.
PROJECT = "stagecraft"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

__all__ = ["API", "PROJECT", "hookimpl", "hookspec"]
