"""Read YAML into plain data that remembers where every value stands.

Scalars follow the YAML 1.2 core schema as Docker Compose reads it: `yes`, `no`, `on` and `off` are strings, `0o17` and
`017` are octal, `1:30` and dates are strings. Keys must be strings. `<<` merges mappings; the explicit key wins, then
the earlier of several merged mappings.

The reader works on the parser's event stream with its own stack, so nesting costs no recursion, and it counts what
aliases stand for instead of copying it: an aliased value is the same object wherever it appears. Callers must treat
the data as read-only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import yaml
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

from stagecraft.text_input import MAX_BYTES, read_text, too_large
from stagecraft.yaml_reader import DocumentReader, Start
from stagecraft.yaml_scalars import resolve_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

YamlPath = tuple[str | int, ...]

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@attrs.frozen
class Marked:
    """One YAML document: its plain data, and the place of every value in it."""

    name: str
    data: Any
    has_tags: bool
    _root: Any = attrs.field(repr=False)

    def mark(self, path: YamlPath = ()) -> Mark:
        """Return where the value at `path` stands; for a missing value, where its nearest parent does."""
        node = self._root
        for step in path:
            child = _child(node, step)
            if child is None:
                break
            node = child[1] if isinstance(step, str) else child
        return self._place(node)

    def key_mark(self, path: YamlPath) -> Mark:
        """Return where the key of the value at `path` stands; an item of a list has no key, so its own place."""
        parent = self._root
        for step in path[:-1]:
            child = _child(parent, step)
            if child is None:
                return self._place(parent)
            parent = child[1] if isinstance(step, str) else child
        last = _child(parent, path[-1]) if path else None
        if last is None:
            return self._place(parent)
        return self._place(last[0] if isinstance(path[-1], str) else last)

    def exists(self, path: YamlPath) -> bool:
        """Tell whether this document has a value at `path`."""
        node = self._root
        for step in path:
            child = _child(node, step)
            if child is None:
                return False
            node = child[1] if isinstance(step, str) else child
        return True

    def tags(self) -> Iterator[tuple[YamlPath, str]]:
        """Yield `(path, tag)` for every value with an application tag such as `!reset`."""
        if self.has_tags:
            yield from _walk_tags(self._root, ())

    def _place(self, node: Any) -> Mark:
        where = node[0] if type(node) is tuple else node
        return Mark(self.name, where.line + 1, where.column + 1)


def load_marked(
    source: Path | str,
    name: str | None = None,
    *,
    max_bytes: int = MAX_BYTES,
    tags: Collection[str] | None = (),
) -> Marked:
    """Read the one YAML document of a file (`Path`) or of a text (`str`).

    `name` is what marks call the source (default: the path as given). `tags` are the application tags allowed besides
    YAML's own; `None` ignores unknown ones. Raise ConfigError with every fault that can be found in one run.
    """
    documents = load_all_marked(source, name, max_bytes=max_bytes, tags=tags)
    if len(documents) > 1:
        where = documents[1].mark()
        raise ConfigError([Problem("only one YAML document is allowed here", "remove the `---` line", where)])
    return documents[0]


def load_all_marked(
    source: Path | str,
    name: str | None = None,
    *,
    max_bytes: int = MAX_BYTES,
    tags: Collection[str] | None = (),
    scalar: Callable[[str], Any] = resolve_scalar,
) -> list[Marked]:
    """Read every YAML document of a file or text; an empty input is one document whose data is None.

    `scalar` gives unquoted scalars their values.
    """
    shown = name if name is not None else (str(source) if isinstance(source, Path) else "<text>")
    text = read_text(source, shown, max_bytes) if isinstance(source, Path) else source
    if len(text) > max_bytes:
        raise too_large(shown, len(text), max_bytes)
    text = text.removeprefix("\ufeff")
    loader = _PARSER(text)
    reader = DocumentReader(shown, None if tags is None else frozenset(tags), scalar)
    try:
        documents = reader.documents(loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*reader.problems, _syntax_problem(shown, error)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([_unreadable_character(shown, text, error)]) from None
    finally:
        loader.dispose()
    if reader.problems:
        raise ConfigError(reader.problems)
    found = [Marked(shown, data, tagged, marks) for data, marks, tagged in documents]
    return found or [Marked(shown, None, False, Start())]


def _child(node: Any, step: str | int) -> Any:
    """Return `(key mark, node)` of a mapping's key, or the node of a list's item; None when there is none."""
    if type(node) is not tuple or node[1] is None:
        return None
    children = node[1]
    if isinstance(step, str):
        return children.get(step) if type(children) is dict else None
    return children[step] if type(children) is list and 0 <= step < len(children) else None


def _walk_tags(node: Any, path: YamlPath) -> Iterator[tuple[YamlPath, str]]:
    if type(node) is not tuple:
        return
    if node[2] is not None:
        yield path, node[2]
    if type(node[1]) is dict:
        for key, (_, child) in node[1].items():
            yield from _walk_tags(child, (*path, key))
    elif node[1] is not None:
        for index, child in enumerate(node[1]):
            yield from _walk_tags(child, (*path, index))


def _syntax_problem(name: str, error: yaml.MarkedYAMLError) -> Problem:
    place = error.problem_mark or error.context_mark
    where = Mark(name, place.line + 1, place.column + 1) if place is not None else Mark(name, 1, 1)
    message = f"not valid YAML: {error.problem or error.context or 'syntax error'}"
    return Problem(message, "check indentation (spaces, no tabs), quotes and colons here and on the line above", where)


def _unreadable_character(name: str, text: str, error: yaml.reader.ReaderError) -> Problem:
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    position = found.start() if found else 0
    code = ord(found.group()) if found else 0
    where = Mark(name, text.count("\n", 0, position) + 1, position - (text.rfind("\n", 0, position) + 1) + 1)
    return Problem(f"the control character U+{code:04X} is not allowed in YAML", where=where, hint="remove it")
