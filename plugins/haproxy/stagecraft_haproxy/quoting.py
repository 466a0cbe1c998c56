"""Put values from the user's files into HAProxy's configuration so that they stay one word. All pure."""

from __future__ import annotations

import re

from stagecraft_hookspecs.errors import UserError

_PLAIN = re.compile(r"[A-Za-z0-9._:/@=+*,-]+\Z")


def unprintable(text: str) -> bool:
    """Tell whether a text holds what no configuration line can: control characters."""
    return any(ord(c) < 32 or ord(c) == 127 for c in text)


def word(text: str) -> str:
    """Return ``text`` as one word of a configuration line; raises UserError for control characters."""
    if unprintable(text):
        raise UserError(f"{text!r} holds a control character", hint="take it out of the proxy's settings")
    if _PLAIN.match(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def template(text: str) -> str:
    """Return ``text`` as one word in which HAProxy replaces nothing, where it would read ``%`` as a variable."""
    return word(text.replace("%", "%%"))


def seconds(value: float) -> str:
    """Return a duration as HAProxy writes it, in milliseconds."""
    return f"{max(1, round(value * 1000))}ms"
