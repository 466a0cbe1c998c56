"""Read TOML into plain data, with the place of every table, key and array item that stands on its own.

`tomllib` reads the values and judges the syntax. The places come from a scan of its own over text that is known to be
valid, so the scan only follows table headers, keys, strings, brackets and comments (TOML 1.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

Path = tuple["str | int", ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\s\"'\[\]{},#=]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)+")
_POSITION = re.compile(r"(.*) \(at line (\d+), column (\d+)\)\Z", re.DOTALL)
MAX_DEPTH = 100


@attrs.frozen
class TomlMarked:
    """One TOML document, or one table of it: plain data, and the place of its keys and values."""

    name: str
    data: Any
    _keys: Mapping[Path, tuple[int, int]] = attrs.field(repr=False)
    _values: Mapping[Path, tuple[int, int]] = attrs.field(repr=False)
    _below: Path = ()

    def mark(self, path: Path = ()) -> Mark:
        """Return where the value at `path` stands; for a missing one, where its nearest parent does."""
        return self._nearest(path, self._values)

    def key_mark(self, path: Path) -> Mark:
        """Return where the key of the value at `path` stands."""
        full = (*self._below, *path)
        return Mark(self.name, *self._keys[full]) if full in self._keys else self._nearest(path, self._values)

    def exists(self, path: Path) -> bool:
        """Tell whether there is a value at `path`."""
        return (*self._below, *path) in self._values

    def table(self, *path: str) -> TomlMarked:
        """Return one table of the document as a document of its own; raise KeyError without it."""
        data = self.data
        for step in path:
            data = data[step]
        return TomlMarked(self.name, data, self._keys, self._values, (*self._below, *path))

    def _nearest(self, path: Path, places: Mapping[Path, tuple[int, int]]) -> Mark:
        full = (*self._below, *path)
        while full and full not in places:
            full = full[:-1]
        return Mark(self.name, *places.get(full, (1, 1)))


def load_toml(text: str, name: str) -> TomlMarked:
    """Read a TOML text; raise ConfigError with the place of a syntax error."""
    import tomllib

    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(error, name)]) from None
    except RecursionError:
        raise ConfigError([Problem("values are nested too deep", "flatten this file", Mark(name, 1, 1))]) from None
    scan = _Scan(text)
    scan.document()
    return TomlMarked(name, _plain(data, name), scan.keys, scan.values)


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """Return data of YAML's types: dates and times become strings."""
    if depth > MAX_DEPTH:
        message = f"values are nested more than {MAX_DEPTH} deep"
        raise ConfigError([Problem(message, "flatten this part of the file", Mark(name, 1, 1))])
    if isinstance(value, dict):
        return {k: _plain(v, name, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, name, depth + 1) for v in value]
    return value if isinstance(value, (str, int, float, bool)) else value.isoformat()


def _syntax(error: Exception, name: str) -> Problem:
    found = _POSITION.match(str(error))
    message, line, column = (found[1], int(found[2]), int(found[3])) if found else (str(error), 1, 1)
    message = message[:1].lower() + message[1:].removesuffix(" (at end of document)")
    return Problem(f"not valid TOML: {message}", "check quotes, brackets and `=` here", Mark(name, line, column))


@attrs.define
class _Scan:
    """Follow valid TOML from key to key."""

    text: str
    at: int = 0
    keys: dict[Path, tuple[int, int]] = attrs.Factory(dict)
    values: dict[Path, tuple[int, int]] = attrs.Factory(dict)
    lines: list[int] = attrs.Factory(list)
    counts: dict[Path, int] = attrs.Factory(dict)

    def document(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]
        table: Path = ()
        self.blank()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.blank()

    def blank(self) -> None:
        if found := _BLANK.match(self.text, self.at):
            self.at = found.end()

    def header(self) -> Path:
        start, array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        self.blank()
        path = self.resolve(self.key())
        self.blank()
        self.at += 2 if array else 1
        for length in range(1, len(path)):
            self.note(path[:length], start, start)
        if array:
            index = self.counts[path] = self.counts.get(path, -1) + 1
            self.note(path, start, start)
            path = (*path, index)
        self.note(path, start, start)
        return path

    def resolve(self, steps: list[str]) -> Path:
        """Go through the latest item of every array of tables on the way."""
        path: Path = ()
        for number, step in enumerate(steps):
            path = (*path, step)
            if number < len(steps) - 1 and path in self.counts:
                path = (*path, self.counts[path])
        return path

    def key(self) -> list[str]:
        import ast

        steps = []
        while True:
            if found := _BARE.match(self.text, self.at):
                steps.append(found.group())
            elif found := _STRING.match(self.text, self.at):
                raw = found.group()
                steps.append(_unescape(raw, ast))
            else:
                return steps
            self.at = found.end()
            self.blank()
            if not self.text.startswith(".", self.at):
                return steps
            self.at += 1
            self.blank()

    def pair(self, table: Path) -> None:
        start = self.at
        steps = self.key()
        if not steps:  # cannot be in valid TOML; never stand still
            self.at = len(self.text)
            return
        self.blank()
        self.at += 1  # the `=`
        self.blank()
        path = table
        for step in steps:
            path = (*path, step)
            self.note(path, start, self.at)
        self.value(path)

    def value(self, path: Path) -> None:
        self.values[path] = self.place(self.at)
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self.items(path)
        elif opening == "{":
            self.at += 1
            self.blank()
            while not self.text.startswith("}", self.at) and self.at < len(self.text):
                self.pair(path)
                self.separator()
            self.at += 1
        elif found := _STRING.match(self.text, self.at) or _PLAIN.match(self.text, self.at):
            self.at = found.end()
        else:
            self.at += 1

    def items(self, path: Path) -> None:
        self.at += 1
        self.blank()
        index = 0
        while not self.text.startswith("]", self.at) and self.at < len(self.text):
            self.value((*path, index))
            index += 1
            self.separator()
        self.at += 1

    def separator(self) -> None:
        self.blank()
        if self.text.startswith(",", self.at):
            self.at += 1
            self.blank()

    def note(self, path: Path, key: int, value: int) -> None:
        self.keys.setdefault(path, self.place(key))
        self.values.setdefault(path, self.place(value))

    def place(self, offset: int) -> tuple[int, int]:
        from bisect import bisect_right

        line = bisect_right(self.lines, offset)
        return line, offset - self.lines[line - 1] + 1


def _unescape(raw: str, ast: Any) -> str:
    if raw.startswith("'"):
        return raw[1:-1]
    try:
        return str(ast.literal_eval(raw))
    except (ValueError, SyntaxError):
        return raw[1:-1]
