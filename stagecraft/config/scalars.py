"""Values that are written as one word: names, paths, ports, durations, shares. Each has a reader and a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NewType

import attrs

Name = NewType("Name", str)
ServiceName = NewType("ServiceName", str)
Address = NewType("Address", str)
User = NewType("User", str)
Variable = NewType("Variable", str)
ProjectPath = NewType("ProjectPath", str)
Registry = NewType("Registry", str)
Domain = NewType("Domain", str)
Port = NewType("Port", int)
Count = NewType("Count", int)
Replicas = NewType("Replicas", int)
Duration = NewType("Duration", float)
UrlPath = NewType("UrlPath", str)
Size = NewType("Size", int)


@attrs.frozen
class Share:
    """A number of things, or a percentage of how many there are.

    Attributes:
        amount: At least 1.
        percent: Whether the amount is a percentage, 1 to 100.
    """

    amount: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Return how many of `total` this is: at least one, rounded up, at most all."""
        wanted = -(-total * self.amount // 100) if self.percent else self.amount
        return max(1, min(wanted, total))

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


@attrs.frozen(eq=False)
class Form:
    """How a one-word value is written.

    Attributes:
        expected: For messages: `a port (1 to 65535)`.
        categories: The YAML types it may have: `string`, `integer`, `number`.
        read: Returns the value, or raises ValueError.
        schema: The JSON Schema of it.
        hint: The next step when it is wrong.
    """

    expected: str
    categories: tuple[str, ...]
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    hint: str = ""


_SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+"
_DURATION_PART = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)"
_SIZE = r"([0-9]{1,12})([bB]|[kKmMgG](?:i?[bB])?)?"
_MAX_SECONDS = 10 * 365 * 86400.0


def read_duration(value: Any) -> float:
    """Return seconds from `30s`, `1m30s`, `500ms`, `1.5h`, or from a bare number of seconds; raise ValueError."""
    if isinstance(value, str):
        if len(value) > 40 or not re.fullmatch(_DURATION, value):
            raise ValueError(value)
        parts = re.findall(_DURATION_PART, value)
        units = [unit for _, unit in parts]
        if units != sorted(set(units), key=lambda u: -_SECONDS[u]):
            raise ValueError(value)
        # Rounded, so that 100ms is 0.1 however it was added up.
        seconds = round(sum(float(number) * _SECONDS[unit] for number, unit in parts), 6)
    else:
        seconds = float(value)
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError(value)
    return seconds


def read_share(value: Any) -> Share:
    """Return a Share from `50%` or a whole number from 1; raise ValueError."""
    if isinstance(value, str):
        if not re.fullmatch(r"[1-9]\d?%|100%", value, re.ASCII):
            raise ValueError(value)
        return Share(int(value[:-1]), True)
    if not 1 <= value <= 100_000:
        raise ValueError(value)
    return Share(int(value))


def read_path(value: str) -> str:
    """Return a relative path that stays inside the project, with `/` and without `./`; raise ValueError."""
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if value.startswith(("/", "~", "-")) or "\\" in value or ".." in parts or not value.isprintable() or not value:
        raise ValueError(value)
    return "/".join(parts) or "."


def read_size(value: Any) -> int:
    """Return bytes from `10MB`, `512KiB`, `1g`, or from a bare number of bytes; raise ValueError."""
    if isinstance(value, str):
        found = re.fullmatch(_SIZE, value, re.ASCII)
        if found is None:
            raise ValueError(value)
        value = int(found[1]) * 1024 ** "bkmg".index((found[2] or "b")[0].lower())
    if not 0 < value <= 1 << 50:
        raise ValueError(value)
    return int(value)


def _between(low: int, high: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not low <= value <= high:
            raise ValueError(value)
        return value

    return read


def _word(expected: str, pattern: str, hint: str, limit: int) -> Form:
    def read(value: str) -> str:
        # `re` keeps what it compiled; most runs use few of these patterns.
        if len(value) > limit or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(value)
        return str(value)

    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": limit}
    return Form(expected, ("string",), read, schema, hint)


def _number(expected: str, low: int, high: int, hint: str) -> Form:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Form(expected, ("integer",), _between(low, high), schema, hint)


_LOWER = r"[a-z0-9][a-z0-9_.-]*"

#: Type to how it is written.
FORMS: Mapping[Any, Form] = {
    Name: _word("a name", _LOWER, "begin with a lower-case letter or digit, go on with these and `_`, `.`, `-`", 63),
    ServiceName: _word(
        "a service's name", r"[a-zA-Z0-9][a-zA-Z0-9_.-]*",
        "write it as the compose file does: letters, digits, `_`, `.`, `-`", 63,
    ),
    Address: _word(
        "a DNS name or IP address", r"[A-Za-z0-9:][A-Za-z0-9._:%-]*", "write it without user, port or scheme", 253
    ),
    User: _word("a login name", r"[A-Za-z_][A-Za-z0-9_.-]*", "letters, digits, `_`, `.`, `-`", 64),
    Variable: _word(
        "the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*",
        "write the variable's name, such as DATABASE_URL, not its value", 128,
    ),
    Registry: _word(
        "a registry and folder", r"[a-z0-9][A-Za-z0-9._-]*(?::\d+)?(?:/[a-z0-9][a-z0-9._-]*)*",
        "write it without https:// and without a tag: registry.example.com/shop", 255,
    ),
    Domain: _word("a domain name", r"[a-z0-9][a-z0-9.-]*", "write it without https:// and without a path", 253),
    ProjectPath: Form(
        "a path inside the project", ("string",), read_path,
        {"type": "string", "minLength": 1, "pattern": r"^(?![/~-])(?!(?:.*/)?\.\.(?:/|$))[^\\]*$"},
        "write it relative to the configuration's folder, with `/`, and without `..`",
    ),
    UrlPath: _word(
        "a URL's path", r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", "begin with `/`, without host and query: /api", 512
    ),
    Size: Form(
        "a size", ("string", "integer"), read_size,
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE}$"}]},
        "write 10MB, 512KB, or a number of bytes",
    ),
    Port: _number("a port (1 to 65535)", 1, 65535, "write a whole number without quotes"),
    Count: _number("a whole number from 1", 1, 100_000, "write a whole number without quotes"),
    Replicas: _number("a whole number from 0", 0, 100_000, "write a whole number without quotes"),
    Duration: Form(
        "a duration", ("string", "integer", "number"), read_duration,
        {"anyOf": [
            {"type": "number", "minimum": 0, "maximum": _MAX_SECONDS},
            {"type": "string", "pattern": f"^{_DURATION}$"},
        ]},
        "write 30s, 1m30s, 500ms, or a number of seconds",
    ),
    Share: Form(
        "a whole number from 1 or a percentage", ("string", "integer"), read_share,
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^(?:[1-9]\d?|100)%$"}]},
        "write 2 or 50%",
    ),
}  # fmt: skip

#: What a provider's field may name as `metadata={"format": …}`.
FORMATS: Mapping[str, Any] = {
    "name": Name, "service": ServiceName, "address": Address, "user": User, "variable": Variable, "path": ProjectPath,
    "domain": Domain, "port": Port, "duration": Duration, "registry": Registry, "url_path": UrlPath, "size": Size,
}  # fmt: skip
