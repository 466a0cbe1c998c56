"""See the types of configuration classes as YAML sees values: categories, words for messages, fields and keys."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from typing import Any

import attrs
from stagecraft_hookspecs.errors import PluginFault

from stagecraft.config.scalars import FORMATS, FORMS

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_LISTS = (tuple, list, set, frozenset, collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping)
_WORDS = {
    "string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "null": "nothing", "list": "a list", "mapping": "a mapping", "any": "a value",
}  # fmt: skip


@attrs.frozen(eq=False)
class Field:
    """One key of a record: its key in the file, the constructor's argument, its type, and the attrs field."""

    key: str
    argument: str
    type: Any
    attribute: attrs.Attribute[Any] = attrs.field(repr=False)

    @property
    def required(self) -> bool:
        """Tell whether the class has no default for it."""
        return self.attribute.default is attrs.NOTHING

    @property
    def help(self) -> str:
        """Return what the field is for."""
        return str(self.attribute.metadata.get("help", ""))

    @property
    def secret(self) -> bool:
        """Tell whether its value must not be shown."""
        return bool(self.attribute.metadata.get("secret")) or looks_secret(self.key)


def looks_secret(key: str) -> bool:
    """Tell whether a key's name says that its value is a secret: `api_token`, `DB_PASSWORD`; not `token_env`."""
    import re

    words = "token|passw(?:or)?d|passphrase|secret|(?:secret|api|access|auth|private)_?key|credentials?"
    return bool(re.search(rf"(?:^|[^a-zA-Z]|[a-z](?=[A-Z]))(?i:{words})$", key))


def fields(cls: type) -> tuple[Field, ...]:
    """Return the keys of an attrs class in their order."""
    try:
        hints = typing.get_type_hints(cls)
    except Exception as error:
        raise PluginFault(f"the types of {cls.__module__}.{cls.__qualname__} cannot be resolved: {error}") from error
    found = []
    for attribute in attrs.fields(cls):
        if not attribute.init:
            continue
        wanted = hints.get(attribute.name, Any)
        form = attribute.metadata.get("format")
        if form in FORMATS and category(wanted) in FORMS[FORMATS[form]].categories:
            wanted = FORMATS[form]
        key = str(attribute.metadata.get("key", attribute.alias))
        found.append(Field(key, attribute.alias or attribute.name, wanted, attribute))
    return tuple(found)


def is_record(wanted: Any) -> bool:
    """Tell whether a type is an attrs class that is read from a mapping."""
    return isinstance(wanted, type) and attrs.has(wanted) and wanted not in FORMS


def is_union(wanted: Any) -> bool:
    """Tell whether a type is `A | B` or `Optional[A]`."""
    return typing.get_origin(wanted) in (typing.Union, types.UnionType)


def is_list(wanted: Any) -> bool:
    """Tell whether a type is read from a list."""
    return (typing.get_origin(wanted) or wanted) in _LISTS


def is_mapping(wanted: Any) -> bool:
    """Tell whether a type is read from a mapping with keys of the user's choice."""
    return (typing.get_origin(wanted) or wanted) in _MAPPINGS


def is_literal(wanted: Any) -> bool:
    """Tell whether a type is `Literal[…]`."""
    return typing.get_origin(wanted) is typing.Literal


def is_enum(wanted: Any) -> bool:
    """Tell whether a type is an enumeration."""
    return isinstance(wanted, type) and issubclass(wanted, enum.Enum)


def choices(wanted: Any) -> tuple[Any, ...]:
    """Return the values that an enumeration or `Literal` allows."""
    return tuple(m.value for m in wanted) if is_enum(wanted) else typing.get_args(wanted)


def members(wanted: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union, or the type itself."""
    return typing.get_args(wanted) if is_union(wanted) else (wanted,)


def item_type(wanted: Any) -> Any:
    """Return the type of a list's items. Tuples of fixed length are not a shape that a configuration has."""
    arguments = [a for a in typing.get_args(wanted) if a is not Ellipsis]
    return arguments[0] if arguments else Any


def mapping_types(wanted: Any) -> tuple[Any, Any]:
    """Return the types of a mapping's keys and values."""
    return typing.get_args(wanted) or (str, Any)


def category(wanted: Any) -> str:
    """Return the YAML category that a value of this type is written in; a form's or choice's first one."""
    if wanted in FORMS:
        return FORMS[wanted].categories[0]
    if is_enum(wanted) or is_literal(wanted):
        return category_of(choices(wanted)[0])
    if is_record(wanted) or is_mapping(wanted):
        return "mapping"
    if is_list(wanted):
        return "list"
    return _SCALARS.get(wanted, "any")


def category_of(value: Any) -> str:
    """Return the YAML category of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, dict):
        return "mapping"
    if isinstance(value, list):
        return "list"
    return next((name for kind, name in _SCALARS.items() if isinstance(value, kind)), "any")


def describe(wanted: Any) -> str:
    """Say in words what a type expects: `a string or a list of strings`."""
    if is_union(wanted):
        return " or ".join(describe(m) for m in members(wanted) if m is not type(None))
    if wanted in FORMS:
        return FORMS[wanted].expected
    if is_enum(wanted) or is_literal(wanted):
        return "one of " + ", ".join(str(c) for c in choices(wanted))
    if is_list(wanted):
        inner = category(item_type(wanted))
        return f"a list of {inner}s" if inner in ("string", "mapping", "integer", "number") else "a list"
    return _WORDS[category(wanted)]
