"""What is wrong with a value: collected with its path, put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.errors import nearest

from stagecraft.config import shapes
from stagecraft.config.fill import Filled, Unset

Path = tuple[str | int, ...]


@attrs.frozen(eq=False)
class Fault:
    """One thing that is wrong with a value.

    Attributes:
        path: From the value that was read.
        message: What is wrong, without the path.
        got: The value in words; kept apart so that a secret one can be left out.
        hint: The next step.
        at_key: Whether the key is at fault, not the value.
    """

    path: Path
    message: str
    got: str = ""
    hint: str = ""
    at_key: bool = False

    def below(self, step: str | int) -> Fault:
        """Return the same fault as seen from the container that has the value at `step`."""
        return Fault((step, *self.path), self.message, self.got, self.hint, self.at_key)


class Unreadable(Exception):
    """Carry the faults of a value. None at all: its fault is reported elsewhere (a variable that is not set)."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__()
        self.faults = faults


def shown(value: Any) -> str:
    """Return a value for a message: short, on one line; a template instead of what it stands for."""
    import json

    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value.template if isinstance(value, Filled) else value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:56] + '…"'


def mismatch(value: Any, wanted: Any, expected: str = "", hint: str = "") -> Unreadable:
    """Return what to raise for a value that is not a `wanted`."""
    if isinstance(value, Unset):
        return Unreadable()
    got = shown(value)
    if not hint:
        hint = _type_hint(value, wanted)
    return Unreadable((Fault((), f"expected {expected or shapes.describe(wanted)}", got, hint),))


def _type_hint(value: Any, wanted: Any) -> str:
    accepted = {shapes.category(m) for m in shapes.members(wanted)}
    if value is None:
        return "give it a value, or remove the key"
    if "string" in accepted and isinstance(value, (bool, int, float)):
        return f"write it in quotes: {shown(str(value).lower() if isinstance(value, bool) else str(value))}"
    if "list" in accepted and not isinstance(value, dict):
        return f"write it as a list: [{value if isinstance(value, str) and len(value) < 40 else '…'}]"
    if "boolean" in accepted:
        return "write true or false, without quotes"
    if accepted & {"integer", "number"}:
        return "write a number, without quotes"
    return ""


def unknown_keys(value: Mapping[str, Any], known: Iterable[str]) -> list[Fault]:
    """Return a fault for every key that is not known, with the nearest one that is."""
    faults, known = [], sorted(known)
    for key in value:
        if key not in known:
            near = nearest(key, known) if len(key) <= 100 else ""
            mean = f"; did you mean {near!r}?" if near else ""
            hint = f"known keys: {', '.join(known)}" if known else "it has no keys at all; remove this one"
            faults.append(Fault((key,), f"unknown key{mean}", "", hint, True))
    return faults


def hidden(faults: tuple[Fault, ...], secret: bool) -> tuple[Fault, ...]:
    """Return the faults of a secret's value without the value."""
    if not secret:
        return faults
    return tuple(attrs.evolve(f, got="a value that is not shown" if f.got else "") for f in faults)


def reason(error: Exception) -> str:
    """Return the first line of what a validator or constructor said."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.strip().split("\n")[0][:200]
