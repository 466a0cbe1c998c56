"""The lexer on its corpus, on generated texts, and against the parsers of the real servers."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lexer_corpus import CASES, Case
from rawsql_harness import mariadb
from stagecraft_raw_sql.dialects import DIALECTS
from stagecraft_raw_sql.lexer import LexError, place, split

WHOLE = [c for c in CASES if not c.fault]


def named(case: Case) -> str:
    return f"{case.dialect}: {case.name}"


def test_corpus_is_large_enough() -> None:
    assert len(CASES) >= 120
    assert len({named(c) for c in CASES}) == len(CASES)


@pytest.mark.parametrize("case", WHOLE, ids=named)
def test_statements_are_cut_exactly(case: Case) -> None:
    assert [s.text for s in split(case.text, DIALECTS[case.dialect])] == list(case.parts)


@pytest.mark.parametrize("case", [c for c in CASES if c.fault], ids=named)
def test_text_that_cannot_be_cut_is_refused_at_its_place(case: Case) -> None:
    with pytest.raises(LexError) as caught:
        split(case.text, DIALECTS[case.dialect])
    assert case.fault in caught.value.message
    assert place(case.text, caught.value.offset) == case.at
    assert caught.value.hint


@pytest.mark.parametrize("case", WHOLE, ids=named)
def test_places_point_at_the_statements(case: Case) -> None:
    for statement in split(case.text, DIALECTS[case.dialect]):
        assert case.text[statement.start : statement.end] == statement.text
        line = case.text.split("\n")[statement.line - 1]
        assert line[statement.column - 1 :].startswith(statement.text.split("\n")[0])


def test_head_leaves_out_comments_and_quotes() -> None:
    (statement,) = split('create /* x */ unique\n-- y\nindex concurrently "I" on a (b)', DIALECTS["postgresql"])
    assert statement.head == "CREATE UNIQUE INDEX CONCURRENTLY ON A B"


MARKS = [
    "'",
    "''",
    '"',
    "`",
    "[",
    "]",
    ";",
    ";;",
    "--",
    "/*",
    "*/",
    "/*!",
    "#",
    "$$",
    "$a$",
    "$",
    "E'",
    "\\",
    "\\'",
    "(",
    ")",
    ".",
    "//",
    "é",
    "x",
    "1",
]
WORDS = ["BEGIN", "END", "CASE", "ATOMIC", "IF", "CREATE", "TRIGGER", "FUNCTION", "PROCEDURE", "TEMP", "SELECT"]
PHRASES = [
    "\n",
    " ",
    "-- ",
    "DELIMITER //",
    "CREATE TRIGGER t ",
    " BEGIN ",
    "; END;",
    "CREATE FUNCTION f ",
    " BEGIN ATOMIC ",
]
PIECES = st.sampled_from([*MARKS, *WORDS, *PHRASES])
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@given(text=TEXTS)
@settings(max_examples=300, deadline=None)
def test_parts_and_gaps_are_the_whole_text(name: str, text: str) -> None:
    dialect = DIALECTS[name]
    try:
        statements = split(text, dialect)
    except LexError as error:
        assert 0 <= error.offset < max(len(text), 1)
        return
    at = 0
    for statement in statements:
        assert statement.start >= at
        assert statement.text == text[statement.start : statement.end]
        assert statement.text.strip(" \t\n\r\f\v") == statement.text
        assert place(text, statement.start) == (statement.line, statement.column)
        at = statement.end
    if "DELIMITER" not in text and "delimiter" not in text.lower():
        for statement in statements:  # cutting again changes nothing
            if name == "mysql" and statement.text.endswith("--"):
                continue  # a comment only where the text ends
            again = split(statement.text, dialect)
            assert [s.text for s in again] == [statement.text]
        joined = split(";\n".join(s.text for s in statements), dialect)
        if name == "mysql" and statements and statements[-1].text.endswith("--"):
            return  # a comment only where the text ends, as it does after the last of them
        if all(not s.head.startswith(("CREATE", "EXPLAIN", "BEGIN")) and "(" not in s.text for s in statements):
            assert [s.text for s in joined] == [s.text for s in statements]


SQLITE_PIECES = st.sampled_from(
    [
        "CREATE ",
        "TEMP ",
        "TRIGGER ",
        "t ",
        "BEGIN ",
        "END",
        ";",
        "; ",
        "'a;'",
        '"b;"',
        "[c;]",
        "--x;\n",
        "/*;*/",
        "EXPLAIN ",
        "SELECT 1",
    ]
)


@given(text=st.lists(SQLITE_PIECES, max_size=14).map("".join))
@settings(max_examples=600, deadline=None)
def test_sqlite_itself_agrees_where_statements_end(text: str) -> None:
    statements = split(text, DIALECTS["sqlite"])
    for one, after in zip_longest(statements, statements[1:]):
        if after:
            assert sqlite3.complete_statement(one.text + ";")
        for cut, char in enumerate(one.text):
            if char == ";":
                inner = sqlite3.complete_statement(one.text[: cut + 1])
                assert not inner, (one.text, cut)


@pytest.mark.parametrize("case", [c for c in WHOLE if c.dialect == "sqlite"], ids=named)
def test_sqlite_takes_each_part_as_one_statement(case: Case) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for part in case.parts:
            try:
                db.execute(part)
            except sqlite3.Error as error:
                assert not any(
                    w in str(error) for w in ("syntax error", "incomplete", "one statement", "unrecognized")
                ), part


@pytest.mark.needs("postgres")
def test_postgres_takes_each_part_as_one_statement(postgres_url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        for case in WHOLE:
            for part in case.parts if case.dialect == "postgresql" else ():
                result = server.pgconn.prepare(b"", part.encode())  # the extended protocol takes one statement
                state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
                assert state != b"42601", (case.name, part, result.error_message)


@pytest.mark.needs("mariadb")
def test_mariadb_takes_each_part_as_one_statement(mariadb_url: str) -> None:
    pymysql = pytest.importorskip("pymysql")
    with mariadb(mariadb_url) as server, server.cursor() as cursor:
        for case in WHOLE:
            for part in case.parts if case.dialect == "mysql" else ():
                try:
                    cursor.execute(part)
                    while cursor.nextset():
                        pass
                except pymysql.MySQLError as error:
                    assert error.args[0] != 1064, (case.name, part, error)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_large_files_take_seconds_at_most(name: str) -> None:
    rows = ", ".join(["(1, 'some text; with ''quotes''', NULL)"] * 50)
    text = f"INSERT INTO t (a, b, c) VALUES {rows};\n" * 2000  # 4 MiB
    begun = time.process_time()
    assert len(split(text, DIALECTS[name])) == 2000
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize(
    "text", ["(" * 100_000, "'" * 99_999, "/*" * 50_000, "$" * 99_999, "--" * 50_000, "CASE " * 30_000, "\\'" * 40_000]
)
def test_hostile_texts_take_no_time(name: str, text: str) -> None:
    begun = time.process_time()
    for prefix in ("", "CREATE FUNCTION f BEGIN ", "SELECT E"):
        try:
            split(prefix + text, DIALECTS[name])
        except LexError:
            continue
    assert time.process_time() - begun < 2
