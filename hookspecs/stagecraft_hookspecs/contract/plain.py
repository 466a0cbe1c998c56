"""Take a provider's ``Config`` apart into plain data, as a user would write it, and put it together again.

This knows the types that the kernel reads a block into, and no others: a ``Config`` with a type that fails here cannot be read
from ``stagecraft.yml`` either.
"""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

_SCALARS = (str, int, float, bool)


def plain(value: Any) -> Any:
    """Return a configuration as JSON-like data."""
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    return value


def build(data: Any, wanted: Any) -> Any:
    """Return plain data as a value of the type ``wanted``; raises TypeError for data or a type that does not fit."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return data
    if attrs.has(wanted):
        return _record(data, wanted)
    if origin in (typing.Union, types.UnionType):
        return _union(data, arguments)
    if origin is typing.Literal:
        return _checked(data in arguments, data, wanted, data)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return wanted(data)
    if origin in (tuple, list, collections.abc.Sequence):
        _checked(isinstance(data, list), data, wanted)
        items = [build(item, arguments[0]) for item in data]
        return items if origin is list else tuple(items)
    if origin in (dict, collections.abc.Mapping):
        _checked(isinstance(data, Mapping), data, wanted)
        return {build(k, arguments[0]): build(v, arguments[1]) for k, v in data.items()}
    if wanted is float and type(data) is int:
        return float(data)
    if wanted in _SCALARS or wanted is type(None):
        return _checked(type(data) is wanted, data, wanted, data)
    raise TypeError(f"{wanted!r} is no type that a configuration can hold")


def example(cls: type[Any]) -> Any:
    """Return an instance of a configuration, with a plausible value in every field that has no default."""
    hints = typing.get_type_hints(cls)
    required = [field for field in attrs.fields(cls) if field.init and field.default is attrs.NOTHING]
    return cls(**{field.alias: _plausible(hints[field.name]) for field in required})


def fields_of(cls: type[Any], path: str = "") -> Iterator[tuple[str, attrs.Attribute[Any]]]:
    """Yield every field with its dotted name, those of nested classes included."""
    hints = typing.get_type_hints(cls)
    for field in attrs.fields(cls):
        name = f"{path}{field.name}"
        yield name, field
        for part in (hints[field.name], *typing.get_args(hints[field.name])):
            if attrs.has(part):
                yield from fields_of(part, f"{name}.")


def _record(data: Any, wanted: Any) -> Any:
    _checked(isinstance(data, Mapping), data, wanted)
    hints = typing.get_type_hints(wanted)
    names = {field.name: field.alias for field in attrs.fields(wanted)}
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise TypeError(f"{wanted.__name__} has no {', '.join(unknown)}")
    return wanted(**{names[name]: build(value, hints[name]) for name, value in data.items()})


def _union(data: Any, members: tuple[Any, ...]) -> Any:
    reasons = []
    for member in members:
        try:
            return build(data, member)
        except TypeError as error:
            reasons.append(str(error))
    raise TypeError("; ".join(reasons))


def _checked(fits: bool, data: Any, wanted: Any, result: Any = None) -> Any:
    if not fits:
        raise TypeError(f"{data!r} is no {getattr(wanted, '__name__', wanted)}")
    return result


def _plausible(wanted: Any) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if attrs.has(wanted):
        return example(wanted)
    if origin in (typing.Union, types.UnionType):
        return _plausible(arguments[0])
    if origin is typing.Literal:
        return arguments[0]
    if origin in (tuple, list, collections.abc.Sequence):
        return (_plausible(arguments[0]),)
    if origin in (dict, collections.abc.Mapping):
        return {}
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return next(iter(wanted))
    return {str: "example", int: 1, float: 1.0, bool: False}.get(wanted)
