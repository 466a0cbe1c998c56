"""Run several services' steps side by side in one thread: each is a generator that yields while it waits.

The engine's calls that block (starting, stopping) run in threads of their own, so that four services take as long as
the slowest, and an interruption is noticed at once whatever the engine does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

#: Seconds between two looks at the engine.
TICK = 0.05
Steps = Generator[None, None, None]


def run(ctx: Context, steps: Mapping[str, Steps]) -> None:
    """Run all steps to their end; the first error ends the others where they stand and is raised."""
    alive = dict(steps)
    try:
        while alive:
            for name in sorted(alive):
                try:
                    next(alive[name])
                except StopIteration:
                    del alive[name]
            if alive:
                ctx.sleep(TICK)
    finally:
        for generator in alive.values():
            generator.close()


def together(calls: Iterable[Callable[[], None]]) -> Steps:
    """Make blocking calls at once, in threads, and wait for all; the first error is raised when all have returned."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in calls]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        yield
    if errors:
        raise errors[0]


def pause(ctx: Context, seconds: float) -> Steps:
    """Wait without keeping the others from going on."""
    until = ctx.monotonic() + seconds
    while ctx.monotonic() < until:
        yield


def until(condition: Callable[[], bool]) -> Steps:
    """Wait for a condition."""
    while not condition():
        yield
