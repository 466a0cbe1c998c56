"""One release's store on the hosts: its bundle and its journal, as the contract's ``Store``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError, StagecraftError

from stagecraft_hosts import catchup, journals, names, scripts, slots
from stagecraft_hosts.copies import place
from stagecraft_hosts.fleet import change, versions
from stagecraft_hosts.journals import Log

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_hosts.fleet import Fleet


@attrs.define
class _Ticket:
    """Be one thread's entry on its way to the hosts."""

    body: bytes
    done: bool = False
    error: BaseException | None = None


class HostsStore:
    """Keep a release's bundle and journal on every host.

    Entries that come while a write is on its way go together in the next one, so that operations that run in parallel share their
    round trips.
    """

    def __init__(self, fleet: Fleet, ctx: Context, release_id: str) -> None:
        self._fleet, self._ctx, self._folder = fleet, ctx, names.release(release_id)
        self._log = Log()
        self._sizes: dict[Host, int] = {}  # the journal's length on each host, as we last left it; -1: to be replaced
        self._queue: list[_Ticket] = []
        self._queueing, self._flying = threading.Lock(), threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        """Write a file of the bundle in full or not at all; durable when it returns."""
        slots.write(self._fleet, self._ctx, self._slot(name), data)

    def get(self, name: str) -> bytes | None:
        """Return a file of the bundle, or None. Raises StateCorrupt where no host has a sound copy."""
        return slots.read(self._fleet, self._ctx, self._slot(name))

    def names(self) -> tuple[str, ...]:
        """Return the names of the bundle's files, sorted."""
        seen = self._fleet.survey(self._ctx, (f"{self._folder}/bundle/*@*",)).values()
        found = {slot.rpartition("/")[2] for files in seen for slot in versions(files)}
        return tuple(sorted(map(names.unquoted, found)))

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to the journal; durable when it returns."""
        ticket = _Ticket(journals.body(entry))
        with self._queueing:
            self._queue.append(ticket)
        with self._flying:
            if not ticket.done:
                self._fly()
        if ticket.error:
            raise ticket.error

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """Return the journal's whole entries. Raises StateCorrupt for damage that no other host's copy makes good."""
        logs = self._fleet.gather(self._ctx, "its journals", lambda host: journals.fetch(self._ctx, host, self._folder))
        return journals.newest(self._ctx, self._folder, logs).entries

    def _slot(self, name: str) -> str:
        return f"{self._folder}/bundle/{names.quoted(name)}"

    def _fly(self) -> None:
        """Write all that waits."""
        with self._queueing:
            batch, self._queue = self._queue, []
        error: BaseException | None = None
        try:
            self._write([ticket.body for ticket in batch])
        except BaseException as failure:
            error = failure
        for ticket in batch:
            ticket.done, ticket.error = True, error

    def _write(self, bodies: list[bytes]) -> None:
        fleet, ctx = self._fleet, self._ctx
        with fleet.guard:
            for _ in range(slots.TRIES):
                hosts = self._look(catchup.ready(fleet, ctx))
                log = self._log.extended(bodies)
                outcomes = fleet.each(hosts, lambda host, log=log: self._send(host, log.data))  # type: ignore[misc]
                for host, outcome in outcomes.items():
                    if outcome is not True:
                        self._sizes.pop(host, None)
                    else:
                        self._sizes[host], self._log, bodies = len(log.data), log, []
                if False not in outcomes.values():
                    fleet.accept(ctx, "the journal", outcomes)
                    return
            raise ProviderError(
                f"the journal of {self._folder.rpartition('/')[2]} changes while it is written",
                hint="another run writes without the lock: see `stagecraft lock status`",
            )

    def _look(self, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
        """Read the journals of the hosts that are new to us; return the hosts that can be written to."""
        fleet, ctx = self._fleet, self._ctx
        for host in [h for h in self._sizes if h not in hosts]:
            del self._sizes[host]
        unknown = [host for host in hosts if host not in self._sizes]
        outcomes = fleet.each(unknown, lambda host: journals.fetch(ctx, host, self._folder))
        logs: dict[Host, Log] = {}
        for host, outcome in outcomes.items():
            if isinstance(outcome, StagecraftError):
                fleet.lost(ctx, host, outcome)
            else:
                logs[host] = outcome
        if logs:
            known = dict.fromkeys(self._sizes, self._log)
            self._log = journals.newest(ctx, self._folder, {**known, **logs})
        for host, log in logs.items():
            self._sizes[host] = -1 if log.size != len(log.data) else log.size
            if log.damaged:
                where = place(ctx, host, f"{self._folder}/journal")
                fleet.say(ctx, f"{where} is damaged; it is replaced by a sound copy", host)
        return tuple(host for host in hosts if host in self._sizes)

    def _send(self, host: Host, data: bytes) -> bool:
        size = self._sizes[host]
        if size < 0:
            catchup.send(self._ctx, host, {f"{self._folder}/journal": data})
            return True
        rest = data[size:]
        args = (self._folder, str(size), str(len(rest)))
        return not rest or change(self._ctx, host, scripts.APPEND, *args, stdin=rest)
