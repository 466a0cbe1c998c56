"""Durations on the command line."""

from __future__ import annotations

from stagecraft_hookspecs.errors import UserError


def since_seconds(text: str) -> float:
    """Return ``10m`` or ``1h30m`` in seconds, 0 for an empty text; raises UserError for anything else."""
    from stagecraft.config.scalars import read_duration

    try:
        return read_duration(text) if text else 0.0
    except ValueError:
        raise UserError(f"--since takes a duration, not {text!r}", hint="such as 30s, 10m or 1h30m") from None
