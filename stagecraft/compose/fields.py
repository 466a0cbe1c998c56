"""Small functions that write values as compose's JSON has them; `render` combines them into whole services.

Each takes a checked, canonical value and returns what is printed, or None for a value that is left out. ValueError says
that the value does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stagecraft.compose import shellwords
from stagecraft.compose.faults import Faults, Path
from stagecraft.compose.scalars import (
    Timestamp,
    as_text,
    float32,
    format_duration,
    number,
    parse_bytes,
    parse_duration,
    to_bool,
    to_float,
    to_int,
)

Field = Callable[[Any, Path, Faults], Any]


class Null:
    """Stand for a printed `null`, where None would leave the key out."""


def simple(read: Callable[[Any], Any]) -> Field:
    """Make a field of a function of the value alone; its ValueError becomes a fault at the value's place."""

    def field(value: Any, path: Path, faults: Faults) -> Any:
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            faults.at(path, f"does not fit: {error}", "see the Compose file reference for this key")
            return None

    return field


def _text(value: Any) -> str | None:
    if isinstance(value, (float, Timestamp)):
        raise ValueError(f"{as_text(value)} is not a string; put it in quotes")
    return (value if isinstance(value, str) else as_text(value)) or None


def _bool(value: Any) -> bool:
    return to_bool(value) if isinstance(value, str) else bool(value)


def _int(value: Any) -> int:
    return to_int(value) if isinstance(value, str) else int(value)


def _unsigned(value: Any) -> int:
    if isinstance(value, str) or value < 0:
        raise ValueError(f"`{value}` is not a number from 0 on")
    return int(value)


def _bytes(value: Any) -> str | None:
    size = parse_bytes(value) if isinstance(value, str) else value if isinstance(value, int) else 0
    return str(size) if size else None


def _float(value: Any) -> int | float:
    return number(float32(to_float(value) if isinstance(value, str) else float(value)))


def _strings(value: Any) -> list[str] | None:
    return [_element(entry) for entry in value] or None


def _element(entry: Any) -> str:
    if not isinstance(entry, (str, int)):
        raise ValueError(f"{as_text(entry)} is not a string; put it in quotes")
    return as_text(entry)


def _command(value: Any) -> list[str]:
    return shellwords.split(value) if isinstance(value, str) else list(value)


def _labels(value: Any) -> dict[str, str] | None:
    pairs = value.items() if isinstance(value, dict) else (_pair(entry) for entry in value)
    return {key: "" if item is None else as_text(item) for key, item in pairs} or None


def _variables(value: Any) -> dict[str, str | None] | None:
    pairs = value.items() if isinstance(value, dict) else (_pair(entry) for entry in value)
    return {key: None if item is None else as_text(item) for key, item in pairs} or None


def _pair(entry: Any) -> tuple[str, str | None]:
    key, found, value = as_text(entry).partition("=")
    return key, value if found else None


def _string_map(value: Any) -> dict[str, str] | None:
    return {key: _text(item) or "" for key, item in value.items()} or None


def _hosts(value: Any) -> list[str] | None:
    hosts: dict[str, list[str]] = {}
    if isinstance(value, dict):
        hosts = {host: [entry] if isinstance(entry, str) else list(entry) for host, entry in value.items()}
    else:
        for entry in value:
            separator = "=" if "=" in entry else ":"
            host, found, addresses = entry.partition(separator)
            if not found:
                raise ValueError(f"`{entry}` has no IP address")
            hosts.setdefault(host, []).extend(addresses.split(","))
    for host in hosts:
        if not host or ":" in host or "=" in host:
            raise ValueError(f"`{host}` is not a host name")
    return sorted(f"{host}={_unbracketed(entry)}" for host, entries in hosts.items() for entry in entries) or None


def _unbracketed(address: str) -> str:
    return address[1:-1] if len(address) > 2 and address[0] == "[" and address[-1] == "]" else address


def _ssh(value: Any) -> list[str] | None:
    return [key if path in (None, "") else f"{key}: {path}" for key, path in sorted(value.items())] or None


def _limit(value: Any) -> Any:
    if isinstance(value, dict):
        sides = {side: _whole(value[side]) for side in ("soft", "hard") if side in value}
        return {side: size for side, size in sides.items() if size}
    return _whole(value) or {}


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"`{value}` is not an integer")
    return value


def _device_count(value: Any) -> int | None:
    if isinstance(value, str):
        return -1 if value.lower() == "all" else to_int(value) or None
    return int(value) or None


def _health_test(value: Any) -> list[str] | None:
    return ["CMD-SHELL", value] if isinstance(value, str) else list(value) or None


text = simple(_text)
flag = simple(lambda value: _bool(value) or None)
maybe_flag = simple(_bool)
integer = simple(lambda value: _int(value) or None)
maybe_integer = simple(_int)
unsigned = simple(lambda value: _unsigned(value) or None)
maybe_unsigned = simple(_unsigned)
ratio = simple(lambda value: _float(value) or None)
size = simple(_bytes)
duration = simple(lambda value: format_duration(parse_duration(value)))
long_duration = simple(lambda value: format_duration(parse_duration(value)) if parse_duration(value) else None)
texts = simple(_strings)
stringlike = simple(lambda value: [as_text(entry) for entry in value] or None)
one_or_more = simple(lambda value: [value] if isinstance(value, str) else _strings(value))
labels = simple(_labels)
variables = simple(_variables)
string_map = simple(_string_map)
hosts = simple(_hosts)
ssh = simple(_ssh)
device_count = simple(_device_count)
health_test = simple(_health_test)
limit = simple(_limit)


def command(value: Any, path: Path, faults: Faults) -> Any:
    """Write a command as its words; without one, as null."""
    return Null if value is None else simple(_command)(value, path, faults)


def struct(keys: Mapping[str, Field], *, always: Mapping[str, Any] | None = None) -> Field:
    """Write a mapping by the field of each key; `always` gives what is printed for keys that are missing."""

    def field(value: Any, path: Path, faults: Faults) -> Any:
        if value is None:
            return None
        result: dict[str, Any] = {}
        for key, entry in value.items():
            inner = keys.get(key)
            if inner is None:
                continue
            written = inner(entry, (*path, key), faults)
            if written is not None:
                result[key] = None if written is Null else written
        for key, entry in (always or {}).items():
            if key not in result:
                result[key] = dict(entry) if isinstance(entry, dict) else entry
        return result

    return field


def each(entry: Field) -> Field:
    """Write a list of `entry`; an empty one is left out."""

    def field(value: Any, path: Path, faults: Faults) -> Any:
        if value is None:
            return None
        return [entry(item, (*path, index), faults) for index, item in enumerate(value)] or None

    return field


def every(entry: Field) -> Field:
    """Write a mapping of the user's names to `entry`, keeping nulls; an empty one is left out."""

    def field(value: Any, path: Path, faults: Faults) -> Any:
        if value is None:
            return None
        return {key: entry(item, (*path, key), faults) for key, item in value.items()} or None

    return field
