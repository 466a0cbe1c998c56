"""Follow the logs of several hosts. A host that goes away is waited for while the others go on; what it had missed is made up."""

from __future__ import annotations

import contextlib
import heapq
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import attrs
from stagecraft_hookspecs.errors import CommandFailed, ProviderError, StagecraftError

from stagecraft.machine.scope import Scope
from stagecraft.run.fleet import each
from stagecraft.run.logs import Line, Parser, Source, Wanted

if TYPE_CHECKING:
    from stagecraft_hookspecs.runtime import Instance
    from stagecraft_hookspecs.values import Host

    from stagecraft.context import RunContext
    from stagecraft.project import Project

#: Seconds for which a line is held back, so that one of another host that is older can still go first.
HOLD = 0.2
#: Seconds between two looks at what runs: instances that a deploy starts are followed from then on.
WATCH = 2.0
#: Seconds, at a reconnect, by which the time of the last line is stepped back: lines that were on their way are sent again.
OVERLAP = 10.0
#: Seconds until the next try to reach a host that went away, at most.
LONGEST = 15.0
#: Bytes after which a stream is opened anew: whoever runs a command keeps all that it printed.
RENEW = 16 << 20
#: Lines that may wait for being shown; then the hosts wait, too.
ROOM = 10_000


class _Renew(StagecraftError):
    """Open the stream anew."""


@attrs.frozen(eq=False)
class _Retracted:
    """Take a line back: its stream was cut, perhaps in the middle of it. It is sent again."""

    line: Line


#: What a host has to say: a line, words about it, a line that was none, or the fault that ends it all.
_Event: TypeAlias = Line | tuple[str, str] | _Retracted | BaseException


def follow(project: Project, ctx: RunContext, wanted: Wanted) -> None:
    """Show lines as they come, until the context is interrupted.

    Raises:
        Interrupted: It was.
        ProviderError: No host could be asked to begin with.
    """
    source = Source(project, wanted.selection.services)
    gathered = each(ctx, wanted.selection.hosts, lambda host: source.observe(ctx, host)).unless_all_failed()
    faults = {f.host: f.error for f in gathered.failures}
    events: queue.Queue[_Event] = queue.Queue(ROOM)
    scope = Scope(ctx.scope)
    threads = []
    for host in wanted.selection.hosts:
        follower = Follower(source, ctx.within(scope), host, events, wanted, faults.get(host.name))
        threads.append(threading.Thread(target=follower.run, daemon=True))
    for thread in threads:
        thread.start()
    try:
        for event in _in_order(ctx, events):
            if isinstance(event, Line):
                wanted.show(event)
            elif isinstance(event, tuple):
                wanted.note(*event)
            else:
                raise event
    finally:
        # whatever ended it, what was started on the hosts ends with it
        scope.cancel()
        for thread in threads:
            thread.join(5.0)


def _in_order(ctx: RunContext, events: queue.Queue[_Event]) -> Iterator[Line | tuple[str, str] | BaseException]:
    """Yield words at once, and lines by their time among those that came within ``HOLD`` seconds."""
    held: list[tuple[str, int, float, Line]] = []
    count = 0
    while True:
        ctx.scope.check()
        with contextlib.suppress(queue.Empty):
            event = events.get(timeout=HOLD / 4)
            if isinstance(event, Line):
                count += 1
                heapq.heappush(held, (event.order, count, time.monotonic() + HOLD, event))
            elif isinstance(event, _Retracted):
                held = [one for one in held if one[3] is not event.line]
                heapq.heapify(held)
            else:
                yield event
        while held and (held[0][2] <= time.monotonic() or len(held) > ROOM):
            yield heapq.heappop(held)[3]


@attrs.define(eq=False)
class Follower:
    """Follow one host, for ever.

    Attributes:
        fault: Why it could not be asked at first, if it could not.
    """

    source: Source
    ctx: RunContext
    host: Host
    events: queue.Queue[_Event]
    wanted: Wanted
    fault: StagecraftError | None = None
    #: When it came, and what: of the lines that may be sent again.
    _recent: deque[tuple[float, Line]] = attrs.field(factory=deque, init=False)
    _again: Counter[Line] = attrs.field(factory=Counter, init=False)
    _last: float = attrs.field(default=0.0, init=False)
    #: Service to the time of its first line: what is older was not asked for, however far a later stream looks back.
    _first: dict[str, str] = attrs.field(factory=dict, init=False)
    _streams: int = attrs.field(default=0, init=False)

    def run(self) -> None:
        """Open streams one after the other until the context is interrupted; any other fault goes to whoever shows the lines."""
        pause, away = 1.0, self.fault
        if away:
            self._say(f"{away.message}; trying again")
        try:
            while True:
                if away:
                    self.ctx.sleep(pause)
                    pause = min(pause * 2, LONGEST)
                try:
                    instances = self.source.observe(self.ctx, self.host)
                    if away:
                        self._say("connected again")
                    pause, away = 1.0, None
                    self._stream(instances)
                except _Renew:
                    continue
                except ProviderError as error:
                    if not away:
                        self._say(f"{error.message}; trying again")
                    away = error
        except BaseException as error:
            if not self.ctx.scope.cancelled:
                self.events.put(error)

    def _stream(self, instances: tuple[Instance, ...]) -> None:
        """Hand on the lines of one stream until it ends, another instance is there, or the host is away."""
        scope = Scope(self.ctx.scope)
        ctx = self.ctx.within(scope)
        self._streams += 1
        self._again = Counter(line for _, line in self._recent)
        since, tail = self.wanted.since, self.wanted.tail
        if self._last:
            since, tail = time.monotonic() - self._last + OVERLAP, -1
        command = self.source.command(ctx, self.host, instances, follow=True, since=since, tail=tail)
        parse, got = Parser(self.host.name), 0

        def take(printed: str) -> None:
            nonlocal got
            self._take(parse(printed), printed)
            got += len(printed)
            if got > RENEW:
                scope.cancel(_Renew(""))

        threading.Thread(target=self._watch, args=(scope, _serving(instances)), daemon=True).start()
        try:
            result = ctx.machine(self.host).run(command, check=False, on_line=take)
        except StagecraftError:
            self._retract()
            raise
        finally:
            scope.cancel(_Renew(""))
        if not result.ok:
            self._retract()
            raise CommandFailed(result, what=f"reading the logs on {self.host.name}")
        # all instances ended; whatever comes after them is found by looking again
        self.ctx.sleep(WATCH / 2)

    def _take(self, line: Line | None, printed: str) -> None:
        if line is None:
            self._say(printed)
            return
        now = time.monotonic()
        first = self._first.get(line.service, line.order)
        if self._streams > 1 and line.order < first:
            return
        self._first[line.service] = min(first, line.order)
        if self._again[line] > 0:
            self._again[line] -= 1
            return
        self._last = now
        self._recent.append((now, line))
        while self._recent and (self._recent[0][0] < now - 2 * OVERLAP):
            self._recent.popleft()
        self._put(line)

    def _retract(self) -> None:
        # the end of a stream hands on what it has of its last line; one that came earlier was whole, and may be shown already
        if self._recent and time.monotonic() - self._recent[-1][0] < HOLD / 2:
            self._put(_Retracted(self._recent.pop()[1]))

    def _watch(self, scope: Scope, known: frozenset[str]) -> None:
        """Cancel the stream when it has become the wrong one."""
        ctx = self.ctx.within(scope)
        try:
            while True:
                ctx.sleep(WATCH)
                if _serving(self.source.observe(ctx, self.host)) - known:
                    scope.cancel(_Renew(""))
        except StagecraftError as error:
            scope.cancel(error)

    def _say(self, words: str) -> None:
        self._put((self.host.name, words))

    def _put(self, event: Line | tuple[str, str] | _Retracted) -> None:
        while True:
            try:
                return self.events.put(event, timeout=0.1)
            except queue.Full:
                self.ctx.scope.check()


def _serving(instances: tuple[Instance, ...]) -> frozenset[str]:
    return frozenset(i.id for i in instances if i.active and i.id)
