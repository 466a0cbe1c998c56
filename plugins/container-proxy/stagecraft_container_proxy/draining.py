"""Wait until targets have no request in flight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.proxy import Endpoint

#: Between two looks, in seconds. Two in a row must see nothing: a request may have chosen its target and not be counted yet.
PAUSE = 0.1
LOOKS = 2


def wait(
    ctx: Context, targets: tuple[Endpoint, ...], deadline: float, busy: Callable[[], frozenset[tuple[str, int]]]
) -> tuple[Endpoint, ...]:
    """Return the targets that are still busy after ``deadline`` seconds; at once when none is.

    Args:
        busy: Tells which addresses and ports have a request in flight now.
    """
    if not targets:
        return ()
    until = ctx.monotonic() + deadline
    quiet = 0
    while True:
        now = busy()
        left = tuple(target for target in targets if (target.address, target.port) in now)
        quiet = 0 if left else quiet + 1
        if quiet == LOOKS or (left and ctx.monotonic() >= until):
            return left
        ctx.sleep(PAUSE)
