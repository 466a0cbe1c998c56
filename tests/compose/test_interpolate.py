"""Variables in compose values: the forms of the Compose Specification, and what they refuse."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecraft.compose.interpolate import TemplateError, substitute

ENVIRON = {"SET": "set", "EMPTY": ""}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$SET ${SET}", "set set"),
        ("${SET:-d} ${SET-d} ${EMPTY:-d} ${EMPTY-d} ${NONE:-d} ${NONE-d}", "set set d  d d"),
        ("${SET:+a} ${SET+a} ${EMPTY:+a} ${EMPTY+a} ${NONE:+a} ${NONE+a}", "a a  a  "),
        ("${SET:?no} ${SET?no} ${EMPTY?no}", "set set "),
        ("${NONE:-${EMPTY:-${SET}}}", "set"),
        ('${NONE:-{"a":"b"}} $$SET $$$SET', '{"a":"b"} $SET $set'),
        ("$1 5$ $-", "$1 5$ $-"),
        ("${NONE:-a:-b}", "a:-b"),
        ("${NONE}|${NONE:-}", "|"),
        ("${SET:-x} } ${SET}", "set } set"),
    ],
)
def test_each_form_gives_its_value(template: str, value: str) -> None:
    assert substitute(template, ENVIRON.get) == value


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("${", "`${` is not a valid template"),
        ("${}", "`${}` is not a valid template"),
        ("${1}", "`${1}` is not a valid template"),
        ("${SET", "`${SET` is not a valid template"),
        ("${SET!}", "`${SET!}` is not a valid template"),
        ("${NONE:-a\nb}", "is not a valid template"),
        ("${NONE?}", "the variable NONE is required but has no value"),
        ("${EMPTY:?set it}", "the variable EMPTY is required but has no value: set it"),
        ("${SET:-${NONE?really}}", "the variable NONE is required but has no value: really"),
    ],
)
def test_malformed_and_missing_are_refused(template: str, fault: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(fault)) as caught:
        substitute(template, ENVIRON.get)
    assert caught.value.hint


def test_unset_variables_are_named() -> None:
    unset: list[str] = []
    assert substitute("$A ${B} ${C:-} $SET", ENVIRON.get, unset.append) == "   set"
    assert unset == ["A", "B"]


@pytest.mark.parametrize("text", ["${A:-" * 5_000, "${A:-" * 5_000 + "}" * 5_000, "${A:-x}" * 5_000, "$" * 50_001])
def test_hostile_templates_end_at_once(text: str) -> None:
    started = time.monotonic()
    try:
        substitute(text, ENVIRON.get)
    except TemplateError as error:
        assert len(error.message) < 200
    assert time.monotonic() - started < 2


@settings(deadline=None)
@given(st.text())
def test_doubled_dollars_give_the_text_back(text: str) -> None:
    assert substitute(text.replace("$", "$$"), ENVIRON.get) == text


@settings(deadline=None)
@given(st.text(st.sampled_from("${}:-+?AB_1 "), max_size=30))
def test_any_template_gives_text_or_a_refusal(text: str) -> None:
    try:
        assert isinstance(substitute(text, ENVIRON.get), str)
    except TemplateError as error:
        assert error.message
        assert error.hint
