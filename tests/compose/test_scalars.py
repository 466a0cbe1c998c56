"""Durations, sizes, numbers and commands as compose reads and prints them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecraft.compose import shellwords
from stagecraft.compose.scalars import (
    as_text,
    float32,
    format_duration,
    parse_bytes,
    parse_duration,
    timestamp,
    to_bool,
    to_float,
    to_int,
)


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("1m30s", 90 * 10**9, "1m30s"),
        ("90s", 90 * 10**9, "1m30s"),
        ("1.5h", 5400 * 10**9, "1h30m0s"),
        ("500ms", 5 * 10**8, "500ms"),
        ("1500us", 15 * 10**5, "1.5ms"),
        ("2µs", 2_000, "2µs"),
        ("-1s", -(10**9), "-1s"),
        ("0", 0, "0s"),
        (".5s", 5 * 10**8, "500ms"),
        ("1h1m1.001s", 3_661_001_000_000, "1h1m1.001s"),
    ],
)
def test_durations(text: str, nanoseconds: int, printed: str) -> None:
    assert parse_duration(text) == nanoseconds
    assert format_duration(nanoseconds) == printed


@pytest.mark.parametrize("text", ["", "5", "s", "1d", "1 s", "1s ", "soon", "1.s.", "9999999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_durations_come_back(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1b", 1), ("64m", 2**26), ("1.5g", 3 * 2**29), ("1 KiB", 1024), ("2TB", 2**41), ("0", 0)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1x", "lots", "1.2.3m", "1  k", "k"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a byte size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"), (3.0, "3"), (1e6, "1e+06"), (100000.0, "100000"), (1234567.5, "1.2345675e+06"), (0.0001, "0.0001"),
        (0.00001, "1e-05"), (-0.0, "-0"), (1e100, "1e+100"), (True, "true"), (7, "7"), (0.1, "0.1"),
    ],
)  # fmt: skip
def test_numbers_are_printed_as_go_does(value: float, text: str) -> None:
    assert as_text(value) == text


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_printed_numbers_mean_the_same(value: float) -> None:
    assert float(as_text(value)) == value


def test_single_precision_is_printed_shortest() -> None:
    assert [float32(value) for value in (0.1, 1 / 3, 1.5, 16777217.0)] == [0.1, 0.33333334, 1.5, 16777216.0]
    with pytest.raises(ValueError, match="too large"):
        float32(1e300)


def test_casts_take_decimal_notation_only() -> None:
    assert (to_int("0440"), to_int("-5"), to_float("1e3"), to_bool("Yes"), to_bool("off")) == (
        440,
        -5,
        1000.0,
        True,
        False,
    )
    for read, text in ((to_int, "1.5"), (to_int, "0x1"), (to_float, "inf"), (to_float, "1_0"), (to_bool, "maybe")):
        with pytest.raises(ValueError, match="is not a"):
            read(text)


def test_unquoted_dates_become_times() -> None:
    date = timestamp("2001-1-2")
    assert date is not None
    assert (date.text, date.json) == ("2001-01-02 00:00:00 +0000 UTC", "2001-01-02T00:00:00Z")
    assert [timestamp(text) for text in ("2001-13-01", "2001-02-29", "2001-01-01 25:00:00", "2001-1", "x")] == [
        None
    ] * 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ('a\\ b "c\\"d" \'e\\f\'', ["a b", 'c"d', "e\\f"]),
        ("'' a", ["", "a"]),
        ("a && b", ["a"]),
        ("a;b", ["a"]),
        ("a > b", ["a"]),
        ("a 2> b", ["a"]),
        ("echo $(date +%s) `id -u`", ["echo", "$(date +%s)", "`id -u`"]),
        ("a #b", ["a", "#b"]),
        ("", []),
    ],
)
def test_commands_are_split_as_compose_does(line: str, words: list[str]) -> None:
    assert shellwords.split(line) == words


@pytest.mark.parametrize("line", ["'a", 'a "b', "a\\", "(a)", "`a", "$(a"])
def test_open_quotes_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"has no end|needs quotes"):
        shellwords.split(line)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_quoted_words_come_back(words: list[str]) -> None:
    line = " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)
    assert shellwords.split(line) == words
