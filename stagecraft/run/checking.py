"""A check: a look at something that ends in a verdict."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from stagecraft_hookspecs.errors import ConfigError, InternalError, Interrupted, StagecraftError


@attrs.frozen
class Check:
    """Hold one check's outcome: ``ok``, ``warning`` or ``failed``."""

    what: str
    verdict: str
    found: str
    hint: str = ""


def guarded(what: str, look: Callable[[], str]) -> Check:
    """Return ``ok`` with what was found, or ``failed`` with the reason and the next step."""
    try:
        return Check(what, "ok", look())
    except (InternalError, Interrupted):
        raise
    except ConfigError as error:
        count = len(error.problems)
        more = f" (and {count - 1} more; see `stagecraft config validate`)" if count > 1 else ""
        return Check(what, "failed", f"{error.problems[0]}{more}", error.hint)
    except StagecraftError as error:
        return Check(what, "failed", f"{error.where}: {error.message}" if error.where else error.message, error.hint)
