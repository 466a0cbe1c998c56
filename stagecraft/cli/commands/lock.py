"""``stagecraft lock``: who deploys this environment now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def status(flags: Mapping[str, Any], session: Session) -> int:
    """Print who holds the lock."""
    import attrs

    with session.context() as ctx:
        holder = session.loaded.state.holder(ctx)
    if session.json:
        session.emit({"environment": session.config.environment, "holder": attrs.asdict(holder) if holder else None})
    elif holder is None:
        session.say(f"{session.config.environment} is free")
    else:
        session.say(
            f"{session.config.environment} is held by {holder.who} ({holder.command}) since {holder.since}, process {holder.pid}"
        )
    return 0


COMMANDS = (
    CommandLine(
        "lock status",
        "Show who deploys this environment now; a lock frees itself when its holder ends",
        status,
        exit_codes={0: "shown"},
    ),
)
