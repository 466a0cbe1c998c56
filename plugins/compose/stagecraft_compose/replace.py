"""Replace one service's containers: the order, the batches, the waits. Used by prepare, switch and undo alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import Unhealthy
from stagecraft_hookspecs.runtime import Update

from stagecraft_compose import gate, walk
from stagecraft_compose.containers import Container
from stagecraft_compose.gate import Expectation
from stagecraft_compose.walk import Steps

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft_compose.engine import Engine


@attrs.frozen
class Move:
    """Say what is replaced by what.

    Attributes:
        stop: Running containers to stop before the new ones start; empty for start-first.
        start: Containers to start and wait for.
        waits_for: Services whose moves must be over first.
        limit: Seconds that the stopped ones get at most; None leaves each its own grace.
        after: Whether they are stopped only when the new ones are healthy.
    """

    service: str
    start: tuple[Container, ...] = ()
    stop: tuple[Container, ...] = ()
    waits_for: frozenset[str] = frozenset()
    expected: Expectation = attrs.field(factory=Expectation)
    update: Update = attrs.field(factory=Update)
    limit: float | None = None
    after: bool = False


def batches(move: Move) -> tuple[tuple[tuple[Container, ...], tuple[Container, ...]], ...]:
    """Return (stop, start) pairs: ``parallelism`` at once, 0 means all; what is left over to stop goes with the
    last. Pure.
    """
    size = move.update.parallelism or max(len(move.start), len(move.stop), 1)
    count = max(1, -(-len(move.start) // size)) if move.start else 1
    pairs = []
    for index in range(count):
        low, high = index * size, (index + 1) * size
        stop = move.stop[low:] if index == count - 1 else move.stop[low:high]
        pairs.append((stop, move.start[low:high]))
    return tuple(pairs)


def make_moves(ctx: Context, engine: Engine, moves: Iterable[Move], before_stop: Callable[[set[str]], None]) -> None:
    """Make all moves, each after those it waits for, otherwise side by side.

    Args:
        before_stop: Told the ids of the containers about to be stopped, before anything is done to them.
    """
    todo = {move.service: move for move in moves}
    done: set[str] = set()
    steps = {name: _make(ctx, engine, move, frozenset(todo), done, before_stop) for name, move in todo.items()}
    walk.run(ctx, steps)


def _make(
    ctx: Context,
    engine: Engine,
    move: Move,
    all_moves: frozenset[str],
    done: set[str],
    before_stop: Callable[[set[str]], None],
) -> Steps:
    yield from walk.until(lambda: move.waits_for & all_moves <= done)
    failures = 0
    pairs = batches(move)
    for index, (stop, start) in enumerate(pairs):
        if not move.after:
            yield from _stop(ctx, engine, stop, before_stop, move.limit)
        yield from _start(ctx, engine, start)
        for container in start:
            try:
                yield from gate.wait(ctx, engine, move.service, container.id, move.expected)
            except Unhealthy as error:
                failures += 1
                if not tolerated(move, failures):
                    raise
                ctx.log(error.message, level="warning", service=move.service, host=engine.host)
        if move.after:
            yield from _stop(ctx, engine, stop, before_stop, move.limit)
        if index < len(pairs) - 1:
            yield from walk.pause(ctx, move.update.delay)
    done.add(move.service)


def tolerated(move: Move, failures: int) -> bool:
    """Tell whether the compose file lets so many of a service's instances fail; pure."""
    if move.update.failure_action == "continue":
        return True
    return failures / max(1, len(move.start)) <= move.update.max_failure_ratio


def _stop(
    ctx: Context,
    engine: Engine,
    containers: tuple[Container, ...],
    before_stop: Callable[[set[str]], None],
    limit: float | None,
) -> Steps:
    if not containers:
        return
    before_stop({c.id for c in containers})
    for container in containers:
        ctx.progress(f"stopping {container.name}", service=container.service, host=engine.host)
    yield from walk.together(functools.partial(engine.stop, c.id, limit) for c in containers)
    for container in containers:
        give_up_name(engine, container)


def _start(ctx: Context, engine: Engine, containers: tuple[Container, ...]) -> Steps:
    def one(container: Container) -> None:
        take_name(engine, container)
        if container.started and container.restart:  # it was kept for a rollback, which took its policy away
            engine.restart_policy(container.id, container.restart)
        engine.start(container.id)

    for container in containers:
        ctx.progress(f"starting {container.name}", service=container.service, host=engine.host)
    yield from walk.together(functools.partial(one, c) for c in containers)


def default_name(engine: Engine, container: Container) -> str:
    """Return the name that compose would give."""
    return f"{engine.project}-{container.service}-{container.number}"


def give_up_name(engine: Engine, container: Container) -> None:
    """Free a stopped container's ``container_name`` for the one that follows."""
    if container.wanted_name and container.name == container.wanted_name:
        engine.rename(container.id, default_name(engine, container))


def take_name(engine: Engine, container: Container) -> None:
    """Give a container the ``container_name`` that its service wants."""
    if container.wanted_name and container.name != container.wanted_name:
        engine.rename(container.id, container.wanted_name)
