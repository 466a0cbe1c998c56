"""Find out what became of a statement that was cut off, where MySQL's or MariaDB's catalogue can tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from stagecraft_raw_sql.lexer import Statement

#: First words of statements that change rows, and nothing else.
ROWS = ("INSERT", "UPDATE", "DELETE", "REPLACE")

_REPEATABLE = re.compile(
    r"(?:SET|USE|LOCK TABLES?|UNLOCK TABLES|ANALYZE|OPTIMIZE|CHECK|REPAIR|FLUSH|SELECT)\b"
    r"|(?:CREATE|DROP) (?:\S+ ){1,3}?IF (?:NOT )?EXISTS\b"
    r"|CREATE OR REPLACE (?:\S+ )*?(?:VIEW|PROCEDURE|FUNCTION|TRIGGER|EVENT)\b"
)
_NAME = r"(`(?:[^`]|``)+`|[\w$]+)"
_CREATE_TABLE = re.compile(rf"CREATE\s+TABLE\s+{_NAME}\s*\(", re.IGNORECASE)
_DROP_TABLE = re.compile(rf"DROP\s+TABLE\s+{_NAME}\s*\Z", re.IGNORECASE)
_SELECT = re.compile(r"\bSELECT\b", re.IGNORECASE)


def outcome(
    fetch: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], database: str, statement: Statement
) -> Literal["applied", "again", ""]:
    """Return what became of ``statement``, or empty where only a person can tell.

    A table that is not there was not created; one that is there was not dropped; one that is gone was dropped, or the
    statement would not have come so far. A table that is there may have been there before: that proves nothing.
    """
    if _REPEATABLE.match(statement.head):
        filled = statement.head.startswith("CREATE TABLE") and _SELECT.search(statement.text)
        return "" if filled else "again"
    if match := _CREATE_TABLE.match(statement.text):
        return "" if _exists(fetch, database, match[1]) else "again"
    if match := _DROP_TABLE.match(statement.text):
        return "again" if _exists(fetch, database, match[1]) else "applied"
    return ""


def _exists(fetch: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], database: str, name: str) -> bool:
    plain = name[1:-1].replace("``", "`") if name.startswith("`") else name
    sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return bool(fetch(sql, (database, plain))[0][0])
