"""Read env files by Docker Compose's own grammar.

Own reader, because python-dotenv differs from compose in inline comments, escapes, `export`, `KEY:value`, pass-through
names, precedence of the environment in `${...}`, and what it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

from stagecraft.compose.interpolate import Lookup, TemplateError, substitute

if TYPE_CHECKING:
    from pathlib import Path

_SPACE = "\t\v\f\r \x85\xa0"  # everything but a line break
_ANY_SPACE = (
    _SPACE + "\n\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_KEY = re.compile(r"(?:[\w.\-\[\]]|[\t\v\f\r \x85\xa0])*")
_EXPORT = re.compile(r"export[\t\n\f\r ]+")
_ESCAPE = re.compile(r"\\(?:[abcfnrtv$\"\\]|0[0-9]{0,3})")
_ESCAPED = {
    r"\a": "\a", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v",
    r"\\": "\\", r"\"": '"', r"\$": "$$",
}  # fmt: skip


class EnvFileError(ValueError):
    """Say what is wrong with an env file, and on which line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def parse_env(text: str, lookup: Lookup) -> dict[str, str]:
    """Read `KEY=value` lines; `lookup` gives names without a value and outranks the file's own earlier names.

    Raise EnvFileError at the first statement that is not one.
    """
    variables: dict[str, str] = {}

    def resolve(name: str) -> str | None:
        value = lookup(name)
        return variables.get(name) if value is None else value

    position = _statement(text, 0)
    while position < len(text):
        key, position, inherited = _key(text, position)
        if inherited:
            value = lookup(key)
            if value is not None:
                variables[key] = value
        else:
            variables[key], position = _assigned(text, position, resolve)
        position = _statement(text, position)
    return variables


def parse_raw_env(text: str, lookup: Lookup) -> dict[str, str]:
    """Read `format: raw`: everything behind the first `=` as it stands; `lookup` gives names without a value."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r").lstrip()
        key, found, value = line.partition("=")
        if not line or line.startswith("#"):
            continue
        if not key or any(character.isspace() for character in key):
            raise EnvFileError(f"`{line}` has {'a space in its' if key else 'no'} name", number)
        given = value if found else lookup(key)
        if given is not None:
            variables[key] = given
    return variables


def read_env_files(paths: Iterable[Path], shown: Mapping[Path, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Read project env files in order; later ones win, and none of them overrides `environ` in a `${...}`."""
    variables: dict[str, str] = {}
    for path in paths:
        variables.update(read_env_file(path, shown.get(path, str(path)), lambda k: environ.get(k, variables.get(k))))
    return variables


def read_env_file(path: Path, shown: str, lookup: Lookup, *, raw: bool = False) -> dict[str, str]:
    """Read one env file (`raw`: of that format); raise ConfigError with its place when it cannot be read."""
    from stagecraft.text_input import read_text

    text = read_text(path, shown)
    try:
        return (parse_raw_env if raw else parse_env)(text, lookup)
    except EnvFileError as error:
        raise ConfigError([Problem(error.message, "write KEY=value", Mark(shown, error.line))]) from None


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _statement(text: str, position: int) -> int:
    """Return where the next statement starts, behind blank lines and comments."""
    while position < len(text):
        if text[position] == "#":
            position = text.find("\n", position)
            if position < 0:
                return len(text)
        elif text[position] in _ANY_SPACE:
            position += 1
        else:
            break
    return position


def _key(text: str, start: int) -> tuple[str, int, bool]:
    """Return a statement's name, where its value starts, and whether it has none and is taken from the environment."""
    exported = _EXPORT.match(text, start)
    if exported:
        start += len("export")
        while start < len(text) and text[start] in _SPACE:
            start += 1
    found = _KEY.match(text, start)
    end = found.end() if found else start
    if start == len(text):
        raise EnvFileError("`export` names no variable", _line(text, start))
    if end == len(text):
        # compose takes a last line without `=` and without a line break for the value of a nameless variable
        return "", start, False
    if text[end] not in "=:\n":
        line = text[start:].partition("\n")[0]
        raise EnvFileError(f"unexpected character {text[end]!r} in the variable name of `{line}`", _line(text, end))
    key = text[start:end].rstrip(_ANY_SPACE)
    if " " in key:
        raise EnvFileError(f"the variable name `{key}` has a space in it", _line(text, end))
    inherited = text[end] == "\n"
    end += 1
    while end < len(text) and text[end] in _SPACE:
        end += 1
    return key, end, inherited


def _assigned(text: str, start: int, resolve: Lookup) -> tuple[str, int]:
    """Return the value that starts here, and where the rest of the file does."""
    if text[start : start + 1] in ("'", '"'):
        value, end = _quoted(text, start)
        if text[start] == "'":
            return value, end
        value = _ESCAPE.sub(lambda found: _unescape(found.group()), value)
    else:
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        value, end = text[start:stop].partition(" #")[0].rstrip(_ANY_SPACE), stop + 1
    try:
        return substitute(value, resolve), end
    except TemplateError as error:
        raise EnvFileError(error.message, _line(text, start)) from None


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    characters: list[str] = []
    escaped = False
    for index in range(start + 1, len(text)):
        character = text[index]
        if character == quote and not escaped:
            return "".join(characters), index + 1
        if character == "\\" and not escaped:
            escaped = True
            continue
        if escaped and character != quote:
            characters.append("\\")
        escaped = False
        characters.append(character)
    raise EnvFileError(f"the quoted value {text[start:].partition(chr(10))[0]} has no end", _line(text, start))


def _unescape(sequence: str) -> str:
    if sequence[1] != "0":
        return _ESCAPED.get(sequence, sequence)
    digits = sequence[2:]
    if len(digits) == 3 and all(digit in "01234567" for digit in digits) and int(digits, 8) < 256:
        return chr(int(digits, 8))
    return f"\\{digits}"  # compose drops the zero even of what is no octal number
