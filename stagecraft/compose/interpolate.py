"""Substitute variables in compose values, as Docker Compose does.

Forms: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
`${NAME:+value}`, `${NAME+value}`, nested, and `$$` for a dollar sign. Source: the interpolation chapter of the Compose
Specification, and what Docker Compose 2.26 prints where the chapter is silent (a default must stay on one line; a
nested required variable counts even if its surrounding default is not used; `$1` is left alone).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_NESTING = 50

Lookup = Callable[[str], "str | None"]
Path = tuple["str | int", ...]

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z][_a-z0-9]*)|\{(?:(?P<braced>[_a-z][_a-z0-9]*(?::?[-+?].*)?)\})?)",
    re.IGNORECASE,
)
_OPERATION = re.compile(r"(?P<name>[_a-z0-9]+)(?P<operator>:?[-+?])(?P<operand>.*)\Z", re.IGNORECASE | re.DOTALL)


class TemplateError(ValueError):
    """Say why a template cannot be substituted; `hint` is the next step."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def substitute(template: str, lookup: Lookup, unset: Callable[[str], None] | None = None, _depth: int = 0) -> str:
    """Return `template` with its variables replaced.

    `lookup` gives a variable's value or None; `unset` is told the name of each variable that has neither a value nor
    a default. Raise TemplateError for a malformed template or a required variable without a value.
    """
    if "$" not in template:
        return template
    if _depth > MAX_NESTING:
        raise TemplateError(f"defaults are nested more than {MAX_NESTING} deep", "set the variable instead")
    parts = []
    position = 0
    while found := _VARIABLE.search(template, position):
        parts.append(template[position : found.start()])
        position = found.end()
        if found["escaped"]:
            parts.append("$")
        elif found["named"]:
            parts.append(_value(found["named"], lookup, unset))
        else:
            expression = _expression(found.group(), template)
            position = found.start() + len(expression) + 3
            parts.append(_evaluate(expression, lookup, unset, _depth))
    parts.append(template[position:])
    return "".join(parts)


def _expression(matched: str, template: str) -> str:
    """Return what stands in the first braces of `matched`, which reaches to the last brace of the line."""
    end = _closing_brace(matched)
    found = _VARIABLE.match(matched if end < 0 else matched[: end + 1])
    if found is None or not found["braced"]:
        shown = template if len(template) <= 80 else template[:77] + "..."
        raise TemplateError(f"`{shown}` is not a valid template", "close the braces, or write `$$` for a dollar sign")
    return found["braced"]


def _closing_brace(text: str) -> int:
    depth, index = 0, 0
    while index < len(text):
        character = text[index]
        if character == "}":
            depth -= 1
            if depth == 0:
                return index
        elif character == "{":
            depth += 1
            index += 1  # compose never looks at the character behind an opening brace
        index += 1
    return -1


def _evaluate(expression: str, lookup: Lookup, unset: Callable[[str], None] | None, depth: int) -> str:
    found = _OPERATION.match(expression)
    if found is None:
        return _value(expression, lookup, unset)
    name, operator = found["name"], found["operator"]
    operand = substitute(found["operand"], lookup, unset, depth + 1)
    value = lookup(name)
    present = value is not None if len(operator) == 1 else bool(value)
    if operator[-1] == "+":
        return operand if present else (value or "")
    if present:
        return value or ""
    if operator[-1] == "-":
        return operand
    reason = f": {operand}" if operand else ""
    raise TemplateError(
        f"the variable {name} is required but has no value{reason}", f"set {name} in .env or the environment"
    )


def _value(name: str, lookup: Lookup, unset: Callable[[str], None] | None) -> str:
    value = lookup(name)
    if value is None and unset is not None:
        unset(name)
    return value or ""


def interpolate(
    data: Any,
    lookup: Lookup,
    casts: Mapping[str, Any],
    fault: Callable[[Path, str, str], None],
    unset: Callable[[Path, str], None],
    shielded: Lookup | None = None,
) -> Any:
    """Copy a YAML tree with every string substituted and, where `casts` says so, turned into a number or boolean.

    `casts` is a tree of path steps (`*` any key, `[]` any item) with the function under the empty step. Faults are
    reported with their path and the walk goes on. `shielded` is asked instead of `lookup` below the `environment` of a
    service, where a secret's reference stands for its value.
    """

    def text(value: str, path: Path, node: Mapping[str, Any] | None) -> Any:
        if "$" in value:
            try:
                look = shielded if shielded and path[0] == "services" and path[2:3] == ("environment",) else lookup
                value = substitute(value, look, lambda name: unset(path, name))
            except TemplateError as error:
                fault(path, error.message, error.hint)
                return value
        if node and "" in node:
            try:
                return node[""](value)
            except ValueError as error:
                fault(path, str(error), "correct the value, or the variable it comes from")
        return value

    def walk(value: Any, path: Path, node: Mapping[str, Any] | None) -> Any:
        kind = type(value)
        if kind is str:
            return text(value, path, node) if node or "$" in value else value
        if kind is dict:
            copy = {}
            for key, item in value.items():
                below = (node.get(key) or node.get("*")) if node else None
                if type(item) is str and below is None and "$" not in item:
                    copy[key] = item
                else:
                    copy[key] = walk(item, (*path, key), below)
            return copy
        if kind is list:
            below = node.get("[]") if node else None
            return [walk(item, (*path, index), below) for index, item in enumerate(value)]
        if kind is float and value - value != 0:
            fault(path, f"{value} has no place in a compose file", "put it in quotes, or write a finite number")
        return value

    return walk(data, (), casts)
