"""Env files: Docker Compose's grammar, and what it refuses. `corpus/dotenv` and `corpus/env-*` hold it to compose."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ConfigError

from stagecraft.compose.envfile import EnvFileError, parse_env, parse_raw_env, read_env_file


def parse(text: str, **environ: str) -> dict[str, str]:
    return parse_env(text, environ.get)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"), ("A =  b  ", "b"), ("export A=b", "b"), ("A: b", "b"), ("A=", ""), ("A=b # c", "b"), ("A=b#c", "b#c"),
        ("A='$X \\n'", "$X \\n"), ('A="x\\n\\"y\\" \\$X"', 'x\n"y" $X'), ('A="1\n2"', "1\n2"), ("A=$X${Y:-z}", "envz"),
        ("A=a$$b", "a$b"), ('A="b" # c', "b"), ("A=C:\\dir", "C:\\dir"), ("A=a=b", "a=b"), ("A='it\\'s'", "it's"),
        ('A="\\0101"', "A"),
    ],
)  # fmt: skip
def test_each_notation_gives_its_value(line: str, value: str) -> None:
    assert parse(f"# comment\n\n{line}\n", X="env") == {"A": value}


def test_a_name_alone_passes_the_variable_on() -> None:
    assert parse("A\nB\n", A="from outside") == {"A": "from outside"}


def test_earlier_names_can_be_used_but_the_environment_wins() -> None:
    assert parse("A=1\nB=$A\n") == {"A": "1", "B": "1"}
    assert parse("A=1\nB=$A\n", A="outside") == {"A": "1", "B": "outside"}


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("A=1\nB@=2\n", 2, "unexpected character '@'"),
        ("A B=1\n", 1, "has a space in it"),
        ("A=1\n\nB='x\n", 3, "has no end"),
        ("A=${B:?why}\n", 1, "the variable B is required but has no value: why"),
        ("A=${\n", 1, "is not a valid template"),
        ("A=1\nexport ", 2, "`export` names no variable"),
    ],
)
def test_bad_lines_are_refused_with_their_number(text: str, line: int, fault: str) -> None:
    with pytest.raises(EnvFileError) as caught:
        parse(text)
    assert caught.value.line == line
    assert fault in caught.value.message


def test_a_bad_file_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.env").write_text("A=1\n{}\n")
    with pytest.raises(ConfigError) as caught:
        read_env_file(tmp_path / "x.env", "x.env", lambda _name: None)
    assert str(caught.value) == "x.env:2:1: unexpected character '{' in the variable name of `{}`"


def test_raw_files_are_taken_word_for_word() -> None:
    text = "# c\n\nA=\"q\" $X # no comment \n  B='b'\nX\nY\n"
    assert parse_raw_env(text, {"X": "x"}.get) == {"A": '"q" $X # no comment ', "B": "'b'", "X": "x"}
    with pytest.raises(EnvFileError, match="no name"):
        parse_raw_env("=x\n", lambda _name: None)


def test_a_large_file_is_read_in_linear_time() -> None:
    started = time.monotonic()
    assert len(parse("".join(f"KEY_{i}='value {i}' # c\n" for i in range(20_000)))) == 20_000
    assert time.monotonic() - started < 2


QUOTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), QUOTABLE))
def test_quoted_values_come_back(variables: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'

    assert parse("".join(f"{key}={quoted(value)}\n" for key, value in variables.items())) == variables


@settings(deadline=None)
@given(st.text(st.sampled_from("AB=:\n'\"\\ #$\t{}-x"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except EnvFileError as error:
        assert 1 <= error.line <= text.count("\n") + 1
