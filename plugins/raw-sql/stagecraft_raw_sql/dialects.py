"""What the lexer has to know of each SQL dialect: quotes, comments, compound bodies. Tables, no behaviour.

Sources: PostgreSQL "Lexical Structure" and the rules by which psql ends a statement; MySQL and MariaDB "Literal
Values", "Comment Syntax" and the ``DELIMITER`` command of their client; SQLite "SQL As Understood By SQLite" and
``sqlite3_complete``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

import attrs


class Blocks(enum.Enum):
    """Say how a body with inner semicolons ends.

    ``DEPTH``: BEGIN and CASE open, END closes; the statement ends at depth 0. ``SEQUENCE``: at the tokens ``; END ;``,
    as SQLite does it.
    """

    DEPTH = "depth"
    SEQUENCE = "sequence"


@attrs.frozen(eq=False)
class Dialect:
    """Describe how a dialect is cut into statements.

    Attributes:
        name: As the configuration and messages name it.
        quotes: Opening character to a pattern of the whole quoted thing.
        line_comment: Pattern of a comment up to the end of its line.
        nested_comments: Whether block comments nest.
        open_comment_ends: Whether an unfinished block comment ends with the text instead of being a fault.
        executable_comments: Whether ``/*!`` and ``/*M!`` hold code.
        dollar_quotes: Whether ``$tag$ … $tag$`` quotes, and ``E'…'`` has backslash escapes.
        parentheses: Whether a semicolon inside parentheses does not end the statement (``CREATE RULE … DO (a; b)``).
        delimiter_command: Whether ``DELIMITER x`` changes what ends a statement.
        compound: Pattern over a statement's first words, in capitals, that have a body with inner semicolons.
        blocks: How such a body ends.
        meta: Pattern of a command of the dialect's client that no server understands, at the beginning of a statement.
        control: Pattern over the first words of statements that begin or end a transaction.
    """

    name: str
    quotes: Mapping[str, re.Pattern[str]]
    line_comment: re.Pattern[str]
    compound: re.Pattern[str]
    meta: re.Pattern[str]
    control: re.Pattern[str]
    blocks: Blocks = Blocks.DEPTH
    nested_comments: bool = False
    open_comment_ends: bool = False
    executable_comments: bool = False
    dollar_quotes: bool = False
    parentheses: bool = False
    delimiter_command: bool = False


_DOUBLED = {quote: re.compile(f"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}") for quote in "'\"`"}
_BACKSLASHED = {
    quote: re.compile(rf"{quote}[^{quote}\\]*(?:(?:\\.|{quote}{quote})[^{quote}\\]*)*{quote}", re.DOTALL)
    for quote in "'\""
}
_DASHES = re.compile(r"--[^\n\r]*")

#: ``E'…'``: escapes hold in every part of a literal that continues after a line break, as the manual allows.
ESCAPED = re.compile(
    r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'"
    r"(?:(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'[^'\\]*(?:(?:\\.|'')[^'\\]*)*')*",
    re.DOTALL,
)

POSTGRESQL = Dialect(
    name="postgresql",
    quotes={"'": _DOUBLED["'"], '"': _DOUBLED['"']},
    line_comment=_DASHES,
    nested_comments=True,
    dollar_quotes=True,
    parentheses=True,
    compound=re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b"),
    meta=re.compile(r"\\\S*"),
    control=re.compile(
        r"(?:BEGIN|COMMIT|END|ABORT|START TRANSACTION|PREPARE TRANSACTION)\b|ROLLBACK(?! (?:WORK |TRANSACTION )?TO\b)"
    ),
)

SQLITE = Dialect(
    name="sqlite",
    quotes={"'": _DOUBLED["'"], '"': _DOUBLED['"'], "`": _DOUBLED["`"], "[": re.compile(r"\[[^\]]*\]")},
    line_comment=_DASHES,
    open_comment_ends=True,
    compound=re.compile(r"(?:EXPLAIN (?:\S+ )*)?CREATE (?:TEMP |TEMPORARY )*TRIGGER\b"),
    blocks=Blocks.SEQUENCE,
    meta=re.compile(r"\.[A-Za-z]\w*"),
    control=re.compile(r"(?:BEGIN|COMMIT|END)\b|ROLLBACK(?! (?:TRANSACTION )?TO\b)"),
)

MYSQL = Dialect(
    name="mysql",
    quotes={"'": _BACKSLASHED["'"], '"': _BACKSLASHED['"'], "`": _DOUBLED["`"]},
    line_comment=re.compile(r"#[^\n\r]*|--(?=[\x00-\x20]|\Z)[^\n\r]*"),
    executable_comments=True,
    delimiter_command=True,
    compound=re.compile(
        r"CREATE (?:OR REPLACE )?(?:DEFINER (?:\S+ ){0,6}?)?(?:AGGREGATE )?"
        r"(?:TRIGGER|PROCEDURE|FUNCTION|EVENT|PACKAGE)\b"
        r"|BEGIN NOT ATOMIC\b"
    ),
    meta=re.compile(r"\\(?!N)\S*|(?i:source)[ \t]+(?=[^\s;]*[./])[^\s;]*"),
    control=re.compile(r"(?:BEGIN(?! NOT ATOMIC)|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE SAVEPOINT|XA)\b"),
)

DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (POSTGRESQL, MYSQL, SQLITE)}
