"""Cut SQL text into statements, keeping each statement's exact text and place.

The lexer knows quotes, comments and bodies with inner semicolons, and nothing else of SQL: a server is the one to judge
grammar. ADR 0003 says why no library does this job.
"""

from __future__ import annotations

import itertools
import re

import attrs

from stagecraft_raw_sql.dialects import Dialect
from stagecraft_raw_sql.scan import LexError, Scan, client_command, comment

__all__ = ["LexError", "Statement", "place", "split"]

_SPACE = re.compile(r"[ \t\n\r\f\v]*")
_DELIMITER = re.compile(r"DELIMITER(?:[ \t]+(\S+)[^\n\r]*|[ \t]*(?=[\n\r]|\Z))", re.IGNORECASE)
_HEAD_WORDS = 12
_HEAD_TOKEN = re.compile(
    r"--[^\n]*|/\*(?!M?!).*?\*/|'[^']*'|\"[^\"]*\"|`[^`]*`|([^\x00-@\[-^`{-\x7f][^\x00-#%-/:-@\[-^`{-\x7f]*)",
    re.DOTALL,
)


@attrs.frozen
class Statement:
    """Hold one statement.

    Attributes:
        text: Exactly as written, without surrounding comments, white space and its terminator.
        start: Offset of its first character in the file.
        line, column: The same, 1-based.
    """

    text: str
    start: int
    line: int
    column: int

    @property
    def head(self) -> str:
        """Return the first words in capitals, joined by spaces; comments and quoted things left out."""
        words = (match[1] for match in _HEAD_TOKEN.finditer(self.text) if match[1])
        return " ".join(itertools.islice(words, _HEAD_WORDS)).upper()

    @property
    def end(self) -> int:
        """Return the offset after its last character."""
        return self.start + len(self.text)


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both 1-based, of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def split(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    """Cut ``text`` (line ends as ``\\n``) into its statements, in order.

    Raises:
        LexError: A quote or comment never ends, or a command belongs to a client program and not to SQL.
    """
    found: list[Statement] = []
    delimiter, position = ";", 0
    line, counted = 1, 0
    while True:
        position, delimiter = _gap(text, position, dialect, delimiter)
        if position >= len(text):
            return tuple(found)
        scan = Scan(text, position, dialect, delimiter)
        start, position = position, scan.run()
        line, counted = line + text.count("\n", counted, start), start
        column = start - text.rfind("\n", 0, start)
        found.append(Statement(text[start : scan.last], start, line, column))


def _gap(text: str, position: int, dialect: Dialect, delimiter: str) -> tuple[int, str]:
    """Pass over white space, comments, lone terminators and ``DELIMITER`` commands."""
    while True:
        match = _SPACE.match(text, position)
        position = match.end() if match else position
        if position >= len(text):
            return position, delimiter
        if text.startswith(delimiter, position):
            position += len(delimiter)
        elif after := comment(text, position, dialect):
            position = after
        elif dialect.delimiter_command and (match := _DELIMITER.match(text, position)):
            if not match[1]:
                raise LexError("DELIMITER names no delimiter", position, "write it on the same line: DELIMITER //")
            delimiter, position = match[1], match.end()
        elif match := dialect.meta.match(text, position):
            raise client_command(match[0], position)
        else:
            return position, delimiter
