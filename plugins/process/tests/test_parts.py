"""Translating texts: what is not named stays as it is, and one rule never sees what another left."""

from __future__ import annotations

import itertools
import string

from hypothesis import given
from hypothesis import strategies as st

from stagecraft_process import parts

INSIDE = parts.Inside(
    {"/a": {"volume": "a"}, "/b": {"volume": "b"}, "/a/deep": {"volume": "deep"}},
    (8000,),
    {"api": (80,), "a.p": (80,)},
)


def test_longest_path_wins_and_the_rest_is_left_alone():
    assert parts.value("/a/deep/x", INSIDE) == [{"volume": "deep"}, "/x"]
    assert parts.value("/a/b", INSIDE) == [{"volume": "a"}, "/b"]
    assert parts.value("/a:/b", INSIDE) == [{"volume": "a"}, ":", {"volume": "b"}]
    assert parts.value("/ab /x/a", INSIDE) == "/ab /x/a"
    assert parts.value("file:///a/x?y", INSIDE) == ["file://", {"volume": "a"}, "/x?y"]


def test_names_with_dots_are_no_patterns():
    assert parts.value("a.p:80 aXp:80", INSIDE) == [{"service": "a.p", "port": 80}, " aXp:80"]


def test_port_variables():
    assert parts.value("8000", INSIDE, "PORT") == [{"port": 8000}]
    assert parts.value("8000", INSIDE, "HTTP_PORT") == [{"port": 8000}]
    assert parts.value("8000", INSIDE, "REPORT") == "8000"
    assert parts.value("9000", INSIDE, "PORT") == "9000"


def test_urls_for_users_keep_the_published_port():
    assert parts.value("http://localhost:8000", INSIDE, "PUBLIC_URL") == "http://localhost:8000"


def back(part):
    if "volume" in part:
        return {v["volume"]: k for k, v in INSIDE.paths.items()}[part["volume"]]
    return f"{part['service']}:{part['port']}" if "service" in part else str(part["port"])


@given(st.text(alphabet="/ab:=, .p80i" + string.digits[:3], max_size=30))
def test_filling_in_what_was_there_gives_the_text_back(text):
    for translated in (parts.value(text, INSIDE, "PORT"), parts.argument(text, INSIDE)):
        assert parts.fill(translated, back, str) == text
        if isinstance(translated, list):
            assert "" not in translated
            assert not any(isinstance(a, str) and isinstance(b, str) for a, b in itertools.pairwise(translated))


def test_partly_filled_texts_keep_what_is_not_known():
    text = ["x", {"volume": "a"}, "y", {"port": 1}]
    assert parts.fill(text, lambda p: "V" if "volume" in p else None, str.upper) == ["XVY", {"port": 1}]
