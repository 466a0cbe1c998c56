"""Ask several things at once: over a connection with a long way, what counts is how many answers are waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
#: Requests under way at once, per host: enough to hide the way, few enough for the engine and the connection.
WIDTH = 6


def gather(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Return what the calls return, in their order; the first error is raised when all have returned."""
    todo = list(calls)
    if len(todo) < 2:
        return [one() for one in todo]
    with ThreadPoolExecutor(max_workers=min(WIDTH, len(todo))) as pool:
        return [future.result() for future in [pool.submit(one) for one in todo]]
