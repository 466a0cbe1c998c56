"""Import Invoke without what Stagecraft never uses of it. See ADR 0005.

Invoke's ``MockContext`` pulls in ``unittest.mock`` and with it asyncio, and its configuration files a second copy of PyYAML:
together more than half of its import time. While it is imported, small stand-ins take their places; both still work when they
are asked for.
"""

from __future__ import annotations

import sys
import types
from typing import Any


def import_invoke() -> None:
    """Import ``invoke``; does nothing when it is imported already."""
    if "invoke" in sys.modules:
        return
    import yaml

    sys.modules["invoke.vendor.yaml"] = yaml
    if "unittest.mock" in sys.modules:
        import invoke

        return
    stand_in: Any = types.ModuleType("unittest.mock")
    stand_in.Mock = _mock
    sys.modules["unittest.mock"] = stand_in
    try:
        import invoke  # noqa: F401
    finally:
        # whoever imports it from here on gets the real one
        del sys.modules["unittest.mock"]


def _mock(*args: Any, **kwargs: Any) -> Any:
    from unittest.mock import Mock

    return Mock(*args, **kwargs)
