"""Read single values: scalars, forms such as ports and durations, choices, free-form data. Nothing is coerced."""

from __future__ import annotations

import math
from typing import Any

from stagecraft_hookspecs.errors import nearest

from stagecraft.config import shapes
from stagecraft.config.faults import Unreadable, mismatch
from stagecraft.config.fill import Filled, Unset
from stagecraft.config.scalars import FORMS, Form


def read_scalar(value: Any, wanted: Any) -> Any:
    if isinstance(wanted, type) and shapes.is_enum(wanted):
        return read_choice(value, wanted)
    category = shapes.category(wanted)
    value = _cast(value, (category,))
    found = shapes.category_of(value)
    if isinstance(value, Unset):
        raise Unreadable()
    if isinstance(value, float) and not math.isfinite(value):
        raise mismatch(value, wanted)
    if found == category:
        return str(value) if isinstance(value, Filled) else value
    if category == "number" and found == "integer":
        return float(value)
    raise mismatch(value, wanted)


def _cast(value: Any, categories: tuple[str, ...]) -> Any:
    """Read a number or boolean from a substituted template where one is wanted; leave everything else alone."""
    if not isinstance(value, Filled) or "string" in categories:
        return value
    from stagecraft.yaml_scalars import resolve_scalar

    read = resolve_scalar(str(value))
    found = shapes.category_of(read)
    return read if found in categories or (found == "integer" and "number" in categories) else value


def read_form(value: Any, wanted: Any, form: Form) -> Any:
    if isinstance(value, Unset):
        raise Unreadable()
    candidates = [_cast(value, form.categories)]
    if isinstance(value, Filled) and len(form.categories) > 1:
        candidates.append(_cast(value, form.categories[1:]))
    for candidate in candidates:
        if shapes.category_of(candidate) in form.categories:
            try:
                return form.read(candidate)
            except (ValueError, OverflowError):
                continue
    raise mismatch(value, wanted, form.expected, "give it a value, or remove the key" if value is None else form.hint)


def read_choice(value: Any, wanted: Any) -> Any:
    if isinstance(value, Unset):
        raise Unreadable()
    allowed = shapes.choices(wanted)
    value = _cast(value, tuple(shapes.category_of(c) for c in allowed))
    for choice in allowed:
        if choice == value and (type(choice) is type(value) or isinstance(value, Filled)):
            return wanted(choice) if shapes.is_enum(wanted) else choice
    near = nearest(value, [str(c) for c in allowed]) if isinstance(value, str) else ""
    hint = f"did you mean {near}?" if near else f"write one of {', '.join(str(c) for c in allowed)}"
    raise mismatch(value, wanted, hint=hint)


def read_any(value: Any) -> Any:
    """Return free-form data as it is, unless a variable in it has no value."""
    if isinstance(value, Unset):
        raise Unreadable()
    if isinstance(value, dict):
        return {str(k): read_any(v) for k, v in value.items()}
    if isinstance(value, list):
        return [read_any(v) for v in value]
    return str(value) if isinstance(value, Filled) else value


def categories(wanted: Any) -> tuple[str, ...]:
    if is_form(wanted):
        return FORMS[wanted].categories
    category = shapes.category(wanted)
    if category == "any":
        return ("string", "integer", "number", "boolean", "list", "mapping", "null")
    return ("number", "integer") if category == "number" else (category,)


def is_form(wanted: Any) -> bool:
    try:
        return wanted in FORMS
    except TypeError:
        return False
