"""``stagecraft lock``: who deploys this environment now, and taking the lock from somebody who will not come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.flags import HOST, ROLE

if TYPE_CHECKING:
    from stagecraft.cli.session import Session
    from stagecraft.run.leases import Locks


def status(flags: Mapping[str, Any], session: Session) -> int:
    """Print who holds the lock, here and on each host."""
    from stagecraft.output.failures import note_failures
    from stagecraft.run.leases import look
    from stagecraft.run.selection import choose

    chosen = choose(session.loaded, flags["host"], (), flags["role"])
    with session.context() as ctx:
        locks = look(session.loaded, ctx, chosen)
    session.close()
    if session.json:
        session.emit(_document(locks))
    else:
        _show(session, locks)
    note_failures(session.sink, locks.failures)
    return 10 if locks.failures else 0


def release(flags: Mapping[str, Any], session: Session) -> int:
    """Take the lock from its holder, if it is forced or there is none."""
    from stagecraft.output.failures import note_failures
    from stagecraft.run import leases
    from stagecraft.run.selection import choose

    chosen = choose(session.loaded, flags["host"], (), flags["role"])
    with session.context() as ctx:
        released = leases.release(session.loaded, ctx, chosen, force=flags["force"])
    session.close()
    left = released.unfinished
    locks = released.locks
    if session.json:
        unfinished = {"release": left.id, "next": released.next_step} if left else None
        session.emit({**_document(locks), "unfinished": unfinished})
    else:
        if locks.first is None:
            session.say(f"{locks.environment} is free")
        else:
            where = f" on {', '.join(sorted(locks.hosts))}" if locks.hosts else ""
            session.say(f"{locks.environment} is taken from {leases.describe(locks.first)}{where}")
        if left:
            session.say(f"{left.id} may be left half done: {released.next_step}")
    note_failures(session.sink, locks.failures)
    return 10 if locks.failures else 0


def _document(locks: Locks) -> dict[str, Any]:
    import attrs

    return {
        "environment": locks.environment,
        "holder": attrs.asdict(locks.holder) if locks.holder else None,
        "hosts": {host: attrs.asdict(holder) for host, holder in sorted(locks.hosts.items())},
        "failures": [f.document() for f in locks.failures],
    }


def _show(session: Session, locks: Locks) -> None:
    from stagecraft.run.leases import describe

    if locks.free:
        session.say(f"{locks.environment} is free")
        return
    if locks.holder:
        session.say(f"{locks.environment} is held by {describe(locks.holder)}")
    shown = dict.fromkeys(describe(holder) for _, holder in sorted(locks.hosts.items()))
    for holder in shown:
        hosts = ", ".join(host for host, one in sorted(locks.hosts.items()) if describe(one) == holder)
        session.say(f"on {hosts} by {holder}")


COMMANDS = (
    CommandLine(
        "lock status",
        "Show who deploys this environment now; a lock frees itself when its holder ends",
        status,
        (HOST, ROLE),
        exit_codes={0: "shown", 10: "some hosts could not be asked"},
    ),
    CommandLine(
        "lock release",
        "Take the lock from a holder that will not end by itself",
        release,
        (
            HOST,
            ROLE,
            Flag("force", "take it although its holder lives, ending what it runs on hosts", default=False),
        ),
        changes=True,
        exit_codes={
            0: "it is free",
            1: "its holder lives, and `--force` is not given",
            2: "it cannot be taken",
            10: "some hosts could not be asked",
        },
        examples=("stagecraft lock release -e prod --force",),
    ),
)
