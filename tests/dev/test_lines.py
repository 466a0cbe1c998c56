"""Bytes in any portions become the same whole lines."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecraft.dev.lines import LONGEST, Cutter, plain, tidy


def cut(portions: list[bytes], mask: str = "") -> list[str]:
    cutter = Cutter(lambda text: text.replace(mask, "*") if mask else text)
    found = [cutter.feed(portion) for portion in portions] + [cutter.flush()]
    return [line for text in found if text is not None for line in text.split("\n")]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30), st.data())
def test_where_a_portion_ends_makes_no_difference(word: str, data: st.DataObject) -> None:
    whole = f"{word}\nzwölf €\n\n{word}".encode()
    ends = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    portions = [whole[a:b] for a, b in zip([0, *ends], [*ends, len(whole)], strict=True)]
    expected = whole.decode().split("\n")
    assert cut(portions) == (expected if word else expected[:-1])


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert cut([b"a\xff\xfe\n", b"b\n"]) == ["a\ufffd\ufffd", "b"]


def test_an_endless_line_is_cut_and_holds_no_more_than_the_limit() -> None:
    portions = [b"x" * 1000] * (3 * LONGEST // 1000)
    lines = cut(portions)
    assert "".join(lines) == "x" * (1000 * len(portions))
    assert len(lines) > 1 and max(map(len, lines)) <= LONGEST


def test_a_secret_at_the_cut_is_masked_all_the_same() -> None:
    secret = "s" * 40
    line = ("." * 997 + secret) * (4 * LONGEST // 1000)
    assert "sss" not in "".join(cut([line[i : i + 777].encode() for i in range(0, len(line), 777)], secret))


@pytest.mark.parametrize(
    ("given", "shown", "bare"),
    [
        ("10%\r50%\rdone", "done", "done"),
        ("windows\r\nline\r", "windows\nline", "windows\nline"),
        ("\x1b[32mgreen\x1b[0m", "\x1b[32mgreen\x1b[0m\x1b[0m", "green"),
        ("\x1b[2J\x1b[Hcleared", "cleared", "cleared"),
        ("\x1b]0;title\x07text", "text", "text"),
        ("\x1b[?25lhidden\x1bc", "hidden", "hidden"),
        ("bell\x07 and\x08 nul\x00\ttab", "bell and nul\ttab", "bell and nul\ttab"),
        ("cut off \x1b", "cut off ", "cut off "),
    ],
)
def test_a_line_stays_a_line_on_a_terminal(given: str, shown: str, bare: str) -> None:
    assert tidy(given) == shown
    assert plain(tidy(given)) == bare


@given(st.text())
def test_nothing_but_colours_gets_through(text: str) -> None:
    shown = tidy(text)
    assert "\r" not in shown and "\x07" not in shown
    assert "\x1b" not in plain(shown)


def test_tidying_takes_linear_time() -> None:
    began = time.monotonic()
    tidy("\r" + "x" * 1_000_000 + "\n" + "\x1b]" * 100_000 + "\n" + "\x1b[" * 100_000)
    assert time.monotonic() - began < 5
