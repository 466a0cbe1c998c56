"""Write words for shells on hosts, so that each arrives as it is."""

from __future__ import annotations

import shlex


def quoted(text: str) -> str:
    """Return text without single quotes as one word for whatever login shell there is."""
    return "'" + text + "'"


def words(argv: tuple[str, ...]) -> str:
    """Return words for a shell, on one line whatever they hold."""
    return " ".join(word(w) for w in argv)


def word(text: str) -> str:
    """Return one word for the foreman's shell; a newline becomes its variable, since frames are lines."""
    return '"$nl"'.join(map(shlex.quote, text.split("\n")))
