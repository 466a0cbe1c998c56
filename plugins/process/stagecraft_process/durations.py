"""Read durations as the compose specification writes them."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)")


def seconds(value: object, default: float) -> float:
    """Return ``1m30s`` in seconds; a number is in seconds, except that compose's normal form never has one.

    Raises:
        ValueError: It is no duration.
    """
    if value is None or value == "":
        return default
    if isinstance(value, int | float):
        return float(value)
    text = str(value)
    terms = list(_TERM.finditer(text))
    if "".join(t[0] for t in terms) != text:
        raise ValueError(f"{text!r} is no duration such as `1m30s`")
    return sum(float(t[1]) * _UNITS[t[2]] for t in terms)
