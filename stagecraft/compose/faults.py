"""Collect the faults of a compose project, each with its place in the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

if TYPE_CHECKING:
    from stagecraft.yaml_marks import Marked

Path = tuple["str | int", ...]


def shown(path: Path) -> str:
    """Write a path as a user would say it: `services.web.ports[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def kind(value: Any) -> str:
    """Name the YAML kind of a value: string, number, boolean, null, list or mapping."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "boolean"
    found = {str: "string", int: "number", float: "number", list: "list", dict: "mapping"}.get(type(value))
    return found or "string"


@attrs.define
class Faults:
    """Problems found so far, and the documents (later ones win) in which their places are looked up."""

    documents: list[Marked] = attrs.Factory(list)
    problems: list[Problem] = attrs.Factory(list)

    def add(self, path: Path, message: str, hint: str, *, key: bool = False) -> None:
        """Add a fault at the value (or the key) of `path`."""
        self.problems.append(Problem(message, hint, self.place(path, key=key)))

    def at(self, path: Path, what: str, hint: str, *, key: bool = False) -> None:
        """Add a fault whose message begins with the path."""
        self.add(path, f"{shown(path)} {what}", hint, key=key)

    def place(self, path: Path, *, key: bool = False) -> Mark | None:
        """Return the place of `path` in the last document that has it, else of its nearest parent."""
        for length in range(len(path), -1, -1):
            for document in reversed(self.documents):
                if document.exists(path[:length]):
                    exact = length == len(path)
                    return document.key_mark(path) if key and exact else document.mark(path[:length])
        return None

    def stop(self) -> None:
        """Raise everything found so far, if anything was."""
        if self.problems:
            raise ConfigError(self.problems)


def fail(message: str, hint: str, where: Mark | None = None) -> ConfigError:
    """Return a ConfigError of one problem."""
    return ConfigError([Problem(message, hint, where)])


def a_list(words: Sequence[str]) -> str:
    """Join words for a sentence: `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
