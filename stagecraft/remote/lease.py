"""Hold an environment's lock on its hosts: each host's foreman has it, and loses it and all that it runs with our heartbeat."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import LockHeld, ProviderError, StagecraftError
from stagecraft_hookspecs.state import Holder, Lease

from stagecraft.remote.quoting import words
from stagecraft.remote.ssh import now

if TYPE_CHECKING:
    from stagecraft.machine.scope import Scope
    from stagecraft.remote.connection import Connection
    from stagecraft.remote.foreman import Foreman

#: Seconds without a sign of life after which a host ends what the holder runs there and frees the lock.
TTL = 10.0
_BEAT, _PATIENCE = 1.0, 1.5
_ANSWER = 15.0
_LONGEST = 1500


@attrs.frozen
class FleetLease(Lease):
    """Prove that the environment's lock is held, here and on every host.

    Attributes:
        inner: The state provider's.
        homes: The environment's folder on each host.
        taken: The foreman that has the lock on each host.
        about: What hosts keep about this lease.
    """

    inner: Lease
    homes: Mapping[Connection, str]
    taken: dict[Connection, Foreman]
    ttl: float
    about: str

    def alive(self) -> bool:
        """Tell whether the lock is still ours everywhere.

        Asks nobody, unless an answer is late: then it waits for that one, at most the time to live.
        """
        return self.inner.alive() and not self.lost

    @property
    def lost(self) -> tuple[str, ...]:
        """Return the hosts on which the lock may be somebody else's."""
        return tuple(sorted(c.host.name for c, f in self.taken.items() if not f.confirmed(self.ttl)))

    def regain(self, connection: Connection, scope: Scope, seconds: float) -> None:
        """Take the lock of a lost host again as soon as it can be reached; do nothing where it is still held.

        Raises:
            LockHeld: Somebody has it, had it since, or broke ours: nothing may be changed there.
            ProviderError: The host could not be reached for so many seconds.
        """
        if connection not in self.taken or self.taken[connection].confirmed(self.ttl):
            return
        until = scope.monotonic() + seconds
        while True:
            scope.check()
            try:
                foreman = connection.reopen()
                try:
                    _ask(connection, foreman, self.homes[connection], self.about, self.ttl, again=True)
                except BaseException:
                    foreman.end()
                    raise
                self.taken[connection] = foreman
                connection.adopt(foreman)
            except LockHeld as error:
                # our own shell has it until it notices that nobody speaks to it any more
                if not isinstance(error, _Ours) or scope.monotonic() >= until:
                    raise
            except ProviderError:
                if scope.monotonic() >= until:
                    raise
            else:
                return
            scope.sleep(1.0)


class _Ours(LockHeld):
    """The lock is held by an earlier shell of the same lease."""


@contextlib.contextmanager
def lease(
    homes: Mapping[Connection, str],
    inner: Lease,
    wait: float,
    scope: Scope,
    *,
    ttl: float = TTL,
    release: str = "",
) -> Iterator[FleetLease]:
    """Hold the lock on every host; ``homes`` names the environment's folder on each.

    The first host by name decides who goes on, so that two that start at once never hold half of the hosts each; the others
    follow at the same time. Whoever does not get all gives back what it got.

    Raises:
        LockHeld: Somebody else has it, for longer than ``wait`` seconds.
        ProviderError: A host cannot be reached, or its folder cannot be written.
    """
    until = scope.monotonic() + wait
    record = {"lease": secrets.token_hex(8), **attrs.asdict(inner.holder), "release": release}
    held = FleetLease(inner.holder, inner, homes, {}, ttl, json.dumps(record)[:_LONGEST])
    while True:
        scope.check()
        try:
            held.taken.update(_take(homes, held.about, ttl))
            break
        except LockHeld:
            if scope.monotonic() >= until:
                raise
        scope.sleep(0.2 + 0.2 * random.random())  # noqa: S311
    try:
        yield held
    finally:
        _give_back(held.taken)


def _take(homes: Mapping[Connection, str], about: str, ttl: float) -> dict[Connection, Foreman]:
    order = sorted(homes, key=lambda connection: connection.host.name)
    taken: dict[Connection, Foreman] = {}
    errors: dict[str, StagecraftError] = {}

    def one(connection: Connection) -> None:
        try:
            taken[connection] = _take_one(connection, homes[connection], about, ttl)
        except StagecraftError as error:
            errors[connection.host.name] = error

    try:
        one(order[0])
        if not errors and order[1:]:
            with ThreadPoolExecutor(min(32, len(order))) as pool:
                list(pool.map(one, order[1:]))
    except BaseException:
        _give_back(taken)
        raise
    if errors:
        _give_back(taken)
        from stagecraft.remote.fleet import gathered

        held = [errors[name] for name in sorted(errors) if isinstance(errors[name], LockHeld)]
        raise held[0] if held and len(held) == len(errors) else gathered(errors, len(order))
    return taken


def _take_one(connection: Connection, home: str, about: str, ttl: float) -> Foreman:
    foreman = connection.foreman()
    _ask(connection, foreman, home, about, ttl)
    connection.leased = foreman
    return foreman


def _ask(connection: Connection, foreman: Foreman, home: str, about: str, ttl: float, *, again: bool = False) -> None:
    """Have a foreman take the lock; ``again`` only if nobody has had it since it was ours."""
    # until it is known who has the lock, signs of life must come as if we had it; a host that has ended what we ran says so
    # itself, so that we may wait for a late answer for longer than it waits for us
    foreman.expect(min(_BEAT, ttl / 4), ttl * _PATIENCE)
    asked = now()
    reply = foreman.ask("l", words((str(max(1, round(ttl))), home, about, *((about,) if again else ()))))
    if not reply.wait(_ANSWER) or reply.lost:
        foreman.end()
        raise ProviderError(
            f"the connection to {connection.host.name} was lost while its lock was taken",
            hint="check the network and the host; a lock that was taken is free within seconds",
        )
    if reply.code == 0:
        foreman.beat = max(foreman.beat, asked)
        return
    connection.relax(foreman)
    if reply.code == 1:
        error = held_by(connection.host.name, parse_holder(reply.text))
        raise _Ours(error.message, hint=error.hint) if reply.text == about else error
    if reply.code == 3:
        raise connection.fenced()
    raise ProviderError(
        f"cannot write {home}/lock on {connection.host.name}",
        hint="check the disk there, and that the deploy user owns its login folder",
    )


def _give_back(taken: Mapping[Connection, Foreman]) -> None:
    asked = [(connection, foreman, foreman.ask("u")) for connection, foreman in taken.items() if foreman.alive]
    until = time.monotonic() + _ANSWER
    for connection, foreman, reply in asked:
        if not reply.wait(max(0.0, until - time.monotonic())):
            foreman.end()
        connection.relax(foreman)
    for connection, foreman in taken.items():
        if foreman.alive:
            connection.leased = None


def held_by(host: str, holder: Holder | None) -> LockHeld:
    """Return the error that says who has the lock on a host."""
    if holder is None:
        who = "somebody who has not said who"
    else:
        who = f"{holder.who} ({holder.command}, since {holder.since}, process {holder.pid} on {holder.host})"
    return LockHeld(
        f"the environment is locked on {host} by {who}",
        hint="wait for it with `--wait`; `stagecraft lock status` shows it on every host",
    )


def parse_holder(text: str) -> Holder | None:
    """Return the holder that a host has on record, or None when it is no record."""
    try:
        known = json.loads(text)
        return Holder(**{name: known[name] for name in ("who", "command", "since", "pid", "host")})
    except (ValueError, TypeError, KeyError):
        return None
