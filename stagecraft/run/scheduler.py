"""Run operations as their dependencies allow, in parallel up to a limit; the first failure cancels the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

from stagecraft_hookspecs.errors import Interrupted
from stagecraft_hookspecs.values import Operation

from stagecraft.machine.scope import Scope


def run_all(
    operations: Sequence[Operation],
    perform: Callable[[Operation], None],
    scope: Scope,
    *,
    limit: int,
    cancelled: Callable[[Operation, str], None],
    narrow: Mapping[str, int] | None = None,
) -> None:
    """Perform every operation, each after those it depends on.

    Args:
        scope: Cancelled with the first failure, so that what runs beside it stops as soon as it can.
        limit: How many run at once.
        cancelled: Told of each operation that was not begun, and why.
        narrow: Action to how many operations with it run at once, where that is fewer.

    Raises:
        BaseException: The first failure, after all that had begun has ended.
    """
    by_id = {o.id: o for o in operations}
    order = TopologicalSorter({o.id: [d for d in o.depends_on if d in by_id] for o in operations})
    order.prepare()
    first: BaseException | None = None
    waiting: list[Operation] = []
    started: set[str] = set()
    running: dict[Future[None], Operation] = {}
    with ThreadPoolExecutor(max_workers=max(1, limit), thread_name_prefix="operation") as pool:
        while order.is_active():
            waiting += [by_id[name] for name in order.get_ready()]
            if first is None and scope.cancelled:
                first = _reason(scope)
            while first is None and len(running) < limit and (operation := _next(waiting, running, narrow or {})):
                started.add(operation.id)
                running[pool.submit(perform, operation)] = operation
            if not running:
                break
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                operation = running.pop(future)
                error = future.exception()
                if error is None:
                    order.done(operation.id)
                elif first is None:
                    first = error
                    scope.cancel(Interrupted(f"cancelled, because {operation.id} failed"))
    if first is not None:
        for operation in operations:
            if operation.id not in started:
                cancelled(operation, str(first))
        raise first


def _next(
    waiting: list[Operation], running: Mapping[Future[None], Operation], narrow: Mapping[str, int]
) -> Operation | None:
    """Take the first waiting operation whose action has room; None when there is none."""
    busy = Counter(o.action for o in running.values())
    for index, operation in enumerate(waiting):
        if busy[operation.action] < narrow.get(operation.action, len(waiting) + len(running)):
            return waiting.pop(index)
    return None


def _reason(scope: Scope) -> BaseException:
    try:
        scope.check()
    except BaseException as error:
        return error
    return Interrupted("interrupted")
