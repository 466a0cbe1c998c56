"""Substitute variables in the strings of a configuration, by the rules of compose files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Filled(str):
    """A string that came from a template. It has no type of its own, so a number or boolean may be read from it.

    `template` is what the file says; messages show it instead of the value, which may be a secret.
    """

    __slots__ = ("template",)
    template: str

    @classmethod
    def of(cls, value: str, template: str) -> Filled:
        """Return `value`, remembering the template that it came from."""
        filled = cls(value)
        filled.template = template
        return filled


class Unset(str):
    """A template that could not be substituted, with the reason. It is a fault only where the value is used."""

    __slots__ = ("hint", "reason")
    reason: str
    hint: str

    @classmethod
    def of(cls, template: str, reason: str, hint: str) -> Unset:
        """Return the template with the reason why it has no value."""
        unset = cls(template)
        unset.reason, unset.hint = reason, hint
        return unset


def fill(data: Any, lookup: Callable[[str], str | None]) -> Any:
    """Copy a tree of plain data with each string substituted: `Filled`, or `Unset` where a variable has no value."""
    kind = type(data)
    if kind is str:
        return _text(data, lookup) if "$" in data else data
    if kind is dict:
        return {key: fill(value, lookup) for key, value in data.items()}
    if kind is list:
        return [fill(value, lookup) for value in data]
    return data


def _text(template: str, lookup: Callable[[str], str | None]) -> str:
    from stagecraft.compose.interpolate import TemplateError, substitute

    missing: list[str] = []
    try:
        value = substitute(template, lookup, missing.append)
    except TemplateError as error:
        return Unset.of(template, error.message, error.hint)
    if missing:
        name = missing[0]
        hint = f"set {name}, or write ${{{name}:-DEFAULT}} (and $$ for a plain dollar sign)"
        return Unset.of(template, f"the variable {name} is not set", hint)
    return Filled.of(value, template)
