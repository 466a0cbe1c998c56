"""Compare our lexer with libraries on the corpus: ``python compare_lexers.py``.

Needs ``sqlparse``, ``sqlglot`` and ``pglast`` beside what the tests need. A library is judged mildly: white space, terminators and
comments around its parts are forgiven, and texts that must be refused are left out.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable

from lexer_corpus import CASES
from stagecraft_raw_sql.dialects import DIALECTS
from stagecraft_raw_sql.lexer import split

_AROUND = re.compile(r"\A(?:\s|;|--[^\n]*(?:\n|\Z)|/\*(?!M?!).*?\*/|#[^\n]*(?:\n|\Z))+", re.DOTALL)


def trim(part: str) -> str:
    part = _AROUND.sub("", part)
    while True:
        shorter = re.sub(r"(?:\s|;|/\*[^!*/]*\*/)+\Z", "", part)
        shorter = re.sub(r"--[^\n']*\Z", "", shorter)
        if shorter == part:
            return part
        part = shorter


def ours(text: str, dialect: str) -> list[str]:
    return [s.text for s in split(text, DIALECTS[dialect])]


def by_sqlparse(text: str, dialect: str) -> list[str]:
    import sqlparse

    return list(sqlparse.split(text))


def by_sqlglot(text: str, dialect: str) -> list[str]:
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokens import TokenType

    parts, start, end = [], None, 0
    name = {"postgresql": "postgres"}.get(dialect, dialect)
    for token in Dialect.get_or_raise(name).tokenize(text):
        if token.token_type is TokenType.SEMICOLON:
            if start is not None:
                parts.append(text[start:end])
            start = None
            continue
        start = token.start if start is None else start
        end = token.end + 1
    return [*parts, text[start:end]] if start is not None else parts


def by_pglast(text: str, dialect: str) -> list[str]:
    import pglast

    return list(pglast.split(text, with_parser=False)) if dialect == "postgresql" else []


def by_pglast_parser(text: str, dialect: str) -> list[str]:
    import pglast

    return list(pglast.split(text)) if dialect == "postgresql" else []


def by_sqlite(text: str, dialect: str) -> list[str]:
    if dialect != "sqlite":
        return []
    parts, start = [], 0
    for at, char in enumerate(text):
        if char == ";" and sqlite3.complete_statement(text[start : at + 1]):
            parts.append(text[start : at + 1])
            start = at + 1
    return [*parts, text[start:]]


CANDIDATES: dict[str, tuple[Callable[[str, str], list[str]], tuple[str, ...]]] = {
    "ours": (ours, ("postgresql", "mysql", "sqlite")),
    "sqlparse": (by_sqlparse, ("postgresql", "mysql", "sqlite")),
    "sqlglot tokenizer": (by_sqlglot, ("postgresql", "mysql", "sqlite")),
    "pglast scanner": (by_pglast, ("postgresql",)),
    "pglast parser": (by_pglast_parser, ("postgresql",)),
    "complete_statement": (by_sqlite, ("sqlite",)),
}


def main() -> None:
    for name, (cut, dialects) in CANDIDATES.items():
        for dialect in dialects:
            cases = [c for c in CASES if c.dialect == dialect and not c.fault]
            wrong = []
            for case in cases:
                try:
                    parts = [p for p in map(trim, cut(case.text, dialect)) if p]
                except Exception as error:
                    parts = [f"{type(error).__name__}"]
                if parts != [trim(p) for p in case.parts]:
                    wrong.append(case.name)
            text = "INSERT INTO t (a, b) VALUES " + ", ".join(["(1, 'some; ''text''')"] * 20) + ";\n"
            begun = time.perf_counter()
            cut(text * 300, dialect) if name != "complete_statement" else cut(text * 20, dialect)
            rate = len(text) * (300 if name != "complete_statement" else 20) / (time.perf_counter() - begun) / 2**20
            print(f"{name:20} {dialect:11} {len(cases) - len(wrong):3} of {len(cases):3} right, {rate:7.1f} MiB/s")
            print("    wrong: " + "; ".join(wrong[:60])) if wrong else None


if __name__ == "__main__":
    main()
