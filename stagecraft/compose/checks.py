"""Small functions that check the shape of YAML values; `schema` combines them into what a compose file may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from stagecraft_hookspecs.errors import nearest

from stagecraft.compose.faults import Faults, Path, a_list, kind, shown

Check = Callable[[Any, Path, Faults], None]

_NAME = re.compile(r"[a-zA-Z0-9._-]+\Z")


def choice(**options: Check | None) -> Check:
    """Accept a value by its kind (`string`, `number`, `boolean`, `null`, `list`, `mapping`)."""
    expected = a_list([f"a {name}" if name != "null" else "null" for name in options])

    def check(value: Any, path: Path, faults: Faults) -> None:
        found = kind(value)
        if found not in options:
            faults.at(path, f"must be {expected}, not {_found(found)}", _quote_hint(value, options))
            return
        inner = options[found]
        if inner is not None:
            inner(value, path, faults)

    return check


def scalar(*kinds: str) -> Check:
    """Accept scalars of the given kinds; `integer` is a number without a fraction."""
    accepted = {
        {"string": str, "boolean": bool, "number": int, "integer": int, "null": type(None)}[name] for name in kinds
    }
    floats = "number" in kinds
    expected = a_list([f"an {name}" if name == "integer" else f"a {name}" for name in kinds])

    def check(value: Any, path: Path, faults: Faults) -> None:
        given = type(value)
        if given in accepted or (given is float and (floats or (int in accepted and value.is_integer()))):
            return
        if str in accepted and kind(value) == "string":
            return
        faults.at(path, f"must be {expected}, not {_found(kind(value))}", _quote_hint(value, kinds))

    return check


def _found(found: str) -> str:
    return "empty" if found == "null" else f"a {found}"


def _quote_hint(value: Any, kinds: Any) -> str:
    if value is None:
        return "give it a value, or remove the key"
    if "string" in kinds and isinstance(value, (int, float)):
        return "put the value in quotes"
    return "see the Compose file reference for this key"


def one_of(*values: str) -> Check:
    """Accept only the given strings."""

    def check(value: Any, path: Path, faults: Faults) -> None:
        if value not in values:
            near = nearest(str(value), values)
            hint = f"did you mean `{near}`?" if near else f"use {a_list([f'`{one}`' for one in values])}"
            faults.at(path, f"cannot be {_short(value)}", hint)

    return check


def within(low: int, high: int) -> Check:
    """Accept integers from `low` to `high`."""

    def check(value: Any, path: Path, faults: Faults) -> None:
        if value != int(value) or not low <= value <= high:
            faults.at(path, f"must be a whole number from {low} to {high}, not {value}", "correct the number")

    return check


def items(item: Check, *, unique: bool = False) -> Check:
    """Accept a list of `item`, each only once if `unique`."""

    def check(value: Any, path: Path, faults: Faults) -> None:
        for index, entry in enumerate(value):
            item(entry, (*path, index), faults)
        if unique and len(value) > 1:
            seen: set[str] = set()
            for index, entry in enumerate(value):
                key = entry if type(entry) is str else repr(entry)
                if key in seen:
                    faults.at((*path, index), f"repeats {_short(entry)}", "remove one of the two")
                seen.add(key)

    return choice(list=check)


def table(
    keys: Mapping[str, Check], *, required: tuple[str, ...] = (), null: bool = False, extra: bool = True
) -> Check:
    """Accept a mapping with these keys; `extra` also allows `x-…`, and `null` an empty value."""

    def check(value: Any, path: Path, faults: Faults) -> None:
        for key, entry in value.items():
            inner = keys.get(key)
            if inner is not None:
                inner(entry, (*path, key), faults)
            elif not (extra and key.startswith("x-")):
                _unknown(key, path, keys, faults, extra)
        for key in required:
            if key not in value:
                faults.at(path, f"needs the key `{key}`", f"add `{key}`")

    return choice(mapping=check, null=None) if null else choice(mapping=check)


def _unknown(key: str, path: Path, keys: Mapping[str, Check], faults: Faults, extra: bool) -> None:
    near = nearest(key, keys)
    where = shown(path) or "a compose file"
    other = "remove it; a key of your own begins with `x-`" if extra else "remove it"
    faults.add((*path, key), f"{where} has no key `{key}`", f"did you mean `{near}`?" if near else other, key=True)


def named(entry: Check, *, any_name: bool = False, skip_odd: bool = False) -> Check:
    """Accept a mapping from names of the user's to `entry`; with `skip_odd`, odd names and their values are ignored."""

    def check(value: Any, path: Path, faults: Faults) -> None:
        for key, inner in value.items():
            if (any_name and key) or _NAME.match(key):
                entry(inner, (*path, key), faults)
            elif not skip_odd:
                hint = "use letters, digits, `.`, `_` and `-` only"
                faults.add((*path, key), f"{shown(path)} cannot have the name {_short(key)}", hint, key=True)

    return choice(mapping=check)


def _short(value: Any) -> str:
    text = str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
