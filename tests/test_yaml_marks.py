"""What a YAML file becomes, where its values stand, and how each kind of bad input is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ConfigError

from stagecraft.yaml_marks import load_all_marked, load_marked

SHOP = """\
name: shop
services:
  web:
    image: web:1   # first
    ports: [80, "81:81"]
"""


def refusal(source: Path | str, **options: object) -> list[str]:
    """Load a bad source and return its faults as `file:line:col: message`."""
    with pytest.raises(ConfigError) as caught:
        load_marked(source, "f.yml", **options)  # type: ignore[arg-type]
    assert all(problem.hint for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_values_and_keys_have_marks() -> None:
    shop = load_marked(SHOP, "f.yml")
    assert shop.data["services"]["web"]["ports"] == [80, "81:81"]
    assert str(shop.mark(("services", "web", "image"))) == "f.yml:4:12"
    assert str(shop.key_mark(("services", "web", "image"))) == "f.yml:4:5"
    assert str(shop.mark(("services", "web", "ports", 1))) == "f.yml:5:17"
    assert str(shop.mark(())) == "f.yml:1:1"


def test_a_missing_value_has_its_parents_mark() -> None:
    shop = load_marked(SHOP, "f.yml")
    assert shop.mark(("services", "web", "labels", "a")) == shop.mark(("services", "web"))
    assert shop.exists(("services", "web"))
    assert not shop.exists(("services", "db"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("off", "off"), ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("0o17", 15), ("017", 15), ("0x1F", 31), ("-0b11", -3), ("1_000", 1000), ("08", 8.0), ("1e3", 1000.0), (".5", 0.5),
        ("1:30", "1:30"), ("2001-01-01", "2001-01-01"), ("1.2.3", "1.2.3"), ('"1"', "1"), ("!!str 1", "1"), ("'~'", "~"),
        ("99999999999999999999", 1e20), ("1e999", "1e999"), ("!!float 3", 3.0), ("!!binary aGk=", "hi"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_are_read_as_compose_reads_them(text: str, value: object) -> None:
    data = load_marked(f"k: {text}\n").data["k"]
    assert (data, type(data)) == (value, type(value))


def test_merge_keys_let_the_explicit_then_the_earlier_win() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc:\n  <<: [*a, *b]\n  y: 3\n"
    merged = load_marked(text, "f.yml")
    assert merged.data["c"] == {"x": 1, "y": 3, "z": 2}
    assert str(merged.mark(("c", "z"))) == "f.yml:2:17"


def test_application_tags_are_reported_with_their_paths() -> None:
    tagged = load_marked("a: !reset null\nb: [1, !override {c: 1}]\n", tags=("!reset", "!override"))
    assert dict(tagged.tags()) == {("a",): "!reset", ("b", 1): "!override"}
    assert refusal("a: !new 1\n", tags=("!reset",)) == ["f.yml:1:4: the tag `!new` has no meaning here"]


def test_crlf_and_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    loaded = load_marked(path, "f.yml")
    assert loaded.data == {"a": 1, "b": 2}
    assert str(loaded.mark(("b",))) == "f.yml:2:4"


def test_several_documents_are_read_only_when_asked_for() -> None:
    assert [d.data for d in load_all_marked("a: 1\n---\nb: 2\n")] == [{"a": 1}, {"b": 2}]
    assert refusal("a: 1\n---\nb: 2\n") == ["f.yml:3:1: only one YAML document is allowed here"]
    assert load_marked("").data is None


def test_all_faults_of_one_file_are_reported_in_one_run() -> None:
    assert refusal("a: 1\n2: x\na: 3\n<<: 5\n") == [
        "f.yml:2:1: a key must be a string, and 2 is not",
        "f.yml:3:1: the key `a` appears twice in this mapping (first on line 1)",
        "f.yml:4:1: `<<` merges mappings only",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1\n", "f.yml:2:1: not valid YAML"),
        ("a:\n\t- b\n", "f.yml:2:1: not valid YAML"),
        ("a: 1\n'a': 2\n", "f.yml:2:1: the key `a` appears twice"),
        ("on: 1\n~: 2\n", "f.yml:2:1: a key must be a string, and ~ is not"),
        ("{[a]: 1}\n", "f.yml:1:2: a key must be a string, not a list or mapping"),
        ("a: &a [*a]\n", "f.yml:1:8: the alias `*a` stands inside its own anchor"),
        ("a: *b\n", "f.yml:1:4: no anchor `&b` comes before this alias"),
        ("a: b\x07\n", "f.yml:1:5: the control character U+0007"),
        ("a: !!int x\n", "f.yml:1:4: `x` is not a value of type int"),
        ("[" * 10_000, "f.yml:1:101: values are nested more than 100 deep"),
        ("{a: " * 10_000, "f.yml:1:401: values are nested more than 100 deep"),
        ("- " * 10_000, "f.yml:1:201: values are nested more than 100 deep"),
    ],
)
def test_bad_text_is_refused_at_its_place(text: str, fault: str) -> None:
    assert refusal(text)[0].startswith(fault)


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    started = time.monotonic()
    assert "aliases expand to more than" in refusal(bomb)[0]
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("a: 1".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (b"a: 1\nb: \xff\n", "f.yml:2:4: the file is not UTF-8 text"),
        (b"a: 1\n\0\0\0", "f.yml:2:1: the file is binary, not text"),
        (b"#" * 1_000_001, "the file has 1000001 bytes; at most 1000000 are read"),
    ],
)
def test_bad_bytes_are_refused(tmp_path: Path, raw: bytes, fault: str) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(raw)
    assert fault in refusal(path)[0]


def test_what_is_not_a_readable_file_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "none") == ["f.yml:1:1: no such file"]
    assert refusal(tmp_path) == ["f.yml:1:1: this is a directory"]
    assert refusal(tmp_path / "pipe") == ["f.yml:1:1: this is not a regular file"]
    assert refusal(tmp_path / "a\0b")[0].startswith("f.yml:1:1: cannot be read")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\ufffe\uffff")),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(st.sampled_from("abc<: -")), children),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None)
@given(PLAIN)
def test_json_is_read_as_itself(value: object) -> None:
    assert load_marked(json.dumps({"k": value}, ensure_ascii=False), max_bytes=10**7).data == {"k": value}


@settings(deadline=None)
@given(st.text(st.sampled_from("ab&*:<>-[]{}!|,#'\" \n\t~0"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        load_marked(text, "f.yml")
    except ConfigError as error:
        assert all(problem.where is not None and problem.hint for problem in error.problems)
