"""No known secret leaves, in whatever form it usually leaks."""

from __future__ import annotations

import base64
import json
import shlex
import urllib.parse

from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.values import Secret

from stagecraft.output.scrub import MASK, Scrubber

VALUE = "s3cr3t/$'\"\\ %&=ü+pass"


def scrubber(*values: str) -> Scrubber:
    scrub = Scrubber()
    scrub.add(Secret(f"S{i}", value) for i, value in enumerate(values))
    return scrub


def test_every_usual_form_is_masked() -> None:
    scrub = scrubber(VALUE)
    forms = {
        "plain": VALUE,
        "json": json.dumps({"k": VALUE}),
        "json as it is": json.dumps({"k": VALUE}, ensure_ascii=False),
        "url": f"https://u:{urllib.parse.quote(VALUE, safe='')}@host/",
        "form": urllib.parse.urlencode({"k": VALUE}),
        "shell": f"export K={shlex.quote(VALUE)}",
        "hex": VALUE.encode().hex(),
    }
    for name, text in forms.items():
        assert MASK in scrub(text), name
        assert "s3cr3t" not in scrub(text), name


@given(st.binary(max_size=7), st.binary(max_size=7), st.text(min_size=12, max_size=40))
def test_base64_is_masked_wherever_the_value_stands_in_it(before: bytes, after: bytes, value: str) -> None:
    scrub = scrubber(value)
    text = base64.b64encode(before + value.encode() + after).decode()
    if value.isdigit() or scrub(value) == value:
        return  # too plain to be searched for
    assert MASK in scrub(text)


@given(st.text(min_size=6, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_the_value_itself_never_passes(value: str, before: str, after: str) -> None:
    scrub = scrubber(value)
    if scrub(value) != MASK:
        return
    assert value not in scrub(before + value + after).replace(MASK, "")


def test_each_line_of_a_key_is_masked() -> None:
    key = "-----BEGIN KEY-----\nQUJDREVGR0hJSktM\n-----END KEY-----"
    assert "QUJDREVGR0hJSktM" not in scrubber(key)("line: QUJDREVGR0hJSktM")


def test_plain_words_and_numbers_stay_readable() -> None:
    scrub = scrubber("true", "8080", "production", "80", "a", "localhost")
    line = "listening on localhost:8080, production=true"
    assert scrub(line) == line


def test_a_secret_inside_another_is_masked_with_it() -> None:
    assert scrubber("hunter2hunter2", "hunter2")("x hunter2hunter2 y hunter2") == f"x {MASK} y {MASK}"


def test_an_address_of_this_machine_is_no_secret_but_one_with_a_password_is() -> None:
    scrub = scrubber("http://localhost:4000", "127.0.0.1:5173", "postgres://u:hunter2@localhost:5432/shop")
    assert (
        scrub("serving http://localhost:4000 and 127.0.0.1:5173") == "serving http://localhost:4000 and 127.0.0.1:5173"
    )
    assert scrub("postgres://u:hunter2@localhost:5432/shop") == MASK
