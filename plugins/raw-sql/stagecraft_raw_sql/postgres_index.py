"""Statements that PostgreSQL does outside of transactions, and what they leave behind when they are cut off."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from stagecraft_raw_sql.lexer import Statement

Fetch = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

#: First words of statements that can always be part of a transaction.
ATOMIC = re.compile(
    r"(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COMMENT|GRANT|REVOKE|DO)\b"
    r"|(?:CREATE|ALTER|DROP) (?:TABLE|INDEX|UNIQUE INDEX|VIEW|MATERIALIZED VIEW|SEQUENCE|SCHEMA|DOMAIN|POLICY|TRIGGER)\b"
    r"|(?:CREATE|CREATE OR REPLACE|ALTER|DROP) (?:FUNCTION|PROCEDURE|VIEW|TRIGGER|AGGREGATE)\b"
)
_REPEATABLE = re.compile(
    r"(?:VACUUM|ANALYZE|REINDEX|CLUSTER|CHECKPOINT|REFRESH MATERIALIZED VIEW|SET|RESET|ALTER SYSTEM|CREATE OR REPLACE)\b"
    r"|(?:CREATE|DROP) (?:\S+ )*?(?:IF EXISTS|IF NOT EXISTS)\b"
    r"|ALTER TYPE (?:\S+ )*?ADD VALUE IF NOT EXISTS\b"
)
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_CREATE = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?({_NAME})\s+ON\s+(?:ONLY\s+)?"
    rf"((?:{_NAME}\.)?{_NAME})",
    re.IGNORECASE,
)
_DROP = re.compile(
    rf"DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?((?:{_NAME}\.)?{_NAME})\s*(?:CASCADE|RESTRICT)?\s*\Z",
    re.IGNORECASE,
)
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b")


def concurrent(statement: Statement) -> bool:
    """Tell whether a statement works CONCURRENTLY, and so lets others read and write."""
    return bool(_CONCURRENTLY.search(statement.head)) or "DETACH PARTITION" in statement.text.upper()


def _state(fetch: Fetch, statement: Statement) -> tuple[str, bool] | None:
    """Return the qualified name of the index that a CREATE INDEX CONCURRENTLY is to make, and whether it is valid."""
    match = _CREATE.match(statement.text)
    if not match:
        return None
    rows = fetch(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), i.indisvalid FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE i.indrelid = to_regclass(%s) AND c.relname = (parse_ident(%s))[1]",
        (match[2], match[1]),
    )
    return (str(rows[0][0]), bool(rows[0][1])) if rows else None


def leftover(fetch: Fetch, statement: Statement) -> tuple[str, str]:
    """Return message and next step if an INVALID index has the name of the one to be made; else two empty texts."""
    found = _state(fetch, statement)
    if found is None or found[1]:
        return "", ""
    return f"an earlier try left the INVALID index {found[0]}", f"run DROP INDEX CONCURRENTLY {found[0]}"


def outcome(fetch: Fetch, statement: Statement) -> Literal["applied", "again", ""]:
    """Return what became of a statement that was cut off, or empty where the catalogue cannot tell."""
    if _CREATE.match(statement.text):
        found = _state(fetch, statement)
        return "applied" if found and found[1] else "again"  # an INVALID one is then an obstacle
    if match := _DROP.match(statement.text):
        return "again" if fetch("SELECT to_regclass(%s) IS NOT NULL", (match[1],))[0][0] else "applied"
    return "again" if _REPEATABLE.match(statement.head) else ""
