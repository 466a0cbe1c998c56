"""Convert between compose's scalar notations: numbers, booleans, durations, byte sizes, and how Go prints them."""

from __future__ import annotations

import re
from typing import Any

import attrs

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([a-zµμ]+)")
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)*) ?([kKmMgGtTpP])?[iI]?[bB]?\Z")
_SIZE_POWER = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt ]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(\.[0-9]{1,9})?(Z|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)


@attrs.frozen
class Timestamp:
    """An unquoted date: compose turns it into a time, which reads differently in each place where it ends up."""

    source: str
    text: str
    json: str


def timestamp(source: str) -> Timestamp | None:
    """Read an unquoted YAML date or UTC time; None for anything else."""
    found = _DATE.match(source)
    if found is None or (found[8] not in (None, "Z")) or (found[8] == "Z") != ("T" in source.upper()):
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not _is_date(year, month, day) or hour > 23 or minute > 59 or second > 59:
        return None
    fraction = (found[7] or "").rstrip("0").rstrip(".")
    date, clock = f"{year:04}-{month:02}-{day:02}", f"{hour:02}:{minute:02}:{second:02}{fraction}"
    return Timestamp(source, f"{date} {clock} +0000 UTC", f"{date}T{clock}Z")


def _is_date(year: int, month: int, day: int) -> bool:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def to_int(text: str) -> int:
    """Read a decimal integer; `0440` is four hundred and forty, as it is for compose."""
    if not _INTEGER.match(text) or len(text) > 20:
        raise ValueError(f"`{text}` is not an integer")
    return int(text)


def to_float(text: str) -> float:
    """Read a decimal number."""
    if not _FLOAT.match(text):
        raise ValueError(f"`{text}` is not a number")
    return float(text)


def to_float32(text: str) -> float:
    """Read a decimal number with single precision."""
    return float32(to_float(text))


def to_bool(text: str) -> bool:
    """Read a boolean in YAML 1.1's spellings."""
    lowered = text.lower()
    if lowered in ("true", "y", "yes", "on"):
        return True
    if lowered in ("false", "n", "no", "off"):
        return False
    raise ValueError(f"`{text}` is not a boolean")


def float32(value: float) -> float:
    """Round to single precision and give back the shortest decimal that means the same, as Go's JSON prints it."""
    from struct import pack, unpack

    try:
        packed = pack("<f", value)
    except OverflowError:
        raise ValueError(f"{value} is too large") from None
    single = unpack("<f", packed)[0]
    for precision in range(1, 10):
        short = float(f"{single:.{precision}g}")
        if pack("<f", short) == packed:
            return short
    return value


def number(value: float) -> int | float:
    """Return a JSON number as Go writes it: integral values without a fraction."""
    return int(value) if value == value and abs(value) < 1e21 and value == int(value) else value


def as_text(value: Any) -> str:
    """Return a scalar as Go's `%v` prints it: `true`, `1e+06`, `1.5`."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, Timestamp):
        return value.text
    return _float_text(value) if type(value) is float else str(value)


def _float_text(value: float) -> str:
    """Print the shortest digits that mean `value`, with an exponent below 1e-4 and from 1e6 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    sign = "-" if str(value).startswith("-") else ""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0").rstrip("0")
    if not digits:
        return f"{sign}0"
    leading = len(whole) - 1 if whole != "0" else len(fraction.lstrip("0")) - len(fraction) - 1
    exponent = leading + int(power or "0")
    if exponent < -4 or exponent >= 6:
        return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{exponent:+03d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    padded = digits.ljust(exponent + 1, "0")
    rest = padded[exponent + 1 :]
    return f"{sign}{padded[: exponent + 1]}{'.' if rest else ''}{rest}"


def parse_duration(text: str) -> int:
    """Read a duration such as `1m30.5s` into nanoseconds."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest):
        found = _DURATION_PART.match(rest, position)
        if found is None or not (found[1] or found[2]) or found[3] not in _NANOSECONDS:
            break
        whole, fraction, unit = found.groups()
        total += int(whole or "0") * _NANOSECONDS[unit] if len(whole) < 20 else 2**63
        if fraction:
            total += int(int(fraction[:18]) * (_NANOSECONDS[unit] / 10 ** len(fraction[:18])))
        position = found.end()
    if not rest or position < len(rest) or total >= 2**63:
        raise ValueError(f"`{text}` is not a duration")
    return sign * total


def format_duration(nanoseconds: int) -> str:
    """Write nanoseconds as Go prints a duration: `1m30.5s`, `0s`, `1h0m0s`, `1.5ms`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < 10**9:
        unit, size = next((u, s) for u, s in (("ms", 10**6), ("µs", 10**3), ("ns", 1)) if rest >= s)
        return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, left = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(left, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, size: int) -> str:
    whole, fraction = divmod(value, size)
    digits = f"{fraction:0{len(str(size)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def parse_bytes(text: str) -> int:
    """Read a byte size such as `512m`, `1.5 GB` or `64KiB`; units are powers of 1024."""
    found = _SIZE.match(text)
    if found is None or found[1].count(".") > 1:
        raise ValueError(f"`{text}` is not a byte size")
    return int(float(found[1]) * 1024 ** _SIZE_POWER.get((found[2] or "").lower(), 0))
