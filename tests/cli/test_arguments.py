"""Command lines are taken apart the same way however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.commands import CommandLine, Flag
from stagecraft_hookspecs.errors import NotFound, StagecraftError, UserError

from stagecraft.cli.arguments import Words, named, split, value_of
from stagecraft.cli.main import GROUPS


@pytest.mark.parametrize("line", ["releases list -e prod", "releases.list -e prod", "-e prod releases list"])
def test_groups_and_global_flags_may_stand_either_way(line: str) -> None:
    words = split(line.split(), GROUPS)
    assert words.command == ("releases", "list")
    assert words.flags == ("-e", "prod")


def test_help_is_seen_wherever_it_stands_before_two_dashes() -> None:
    assert split(["deploy", "--plan", "-h"], GROUPS).help
    assert not split(["exec", "--", "ls", "-h"], GROUPS).help


def test_what_stands_behind_two_dashes_is_untouched() -> None:
    assert split(["exec", "--service", "api", "--", "sh", "-c", "a b"], GROUPS).rest == ("sh", "-c", "a b")


def test_version_is_the_programs_only_before_a_command() -> None:
    assert split(["--version"], GROUPS) == Words(version=True)
    assert split(["plan", "--version", "v1"], GROUPS).flags == ("--version", "v1")


def test_an_unknown_flag_before_the_command_is_named() -> None:
    with pytest.raises(NotFound, match="did you mean '--verbose'"):
        split(["--verbos", "plan"], GROUPS)
    with pytest.raises(UserError, match="needs a value"):
        split(["-e"], GROUPS)


SHOW = CommandLine(
    "show", "", lambda values, session: 0, (Flag("id", "", positional=True), Flag("limit", "", default=3))
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rel-1"], ("--id=rel-1",)),
        (["--limit", "3", "rel-1", "-e", "prod"], ("--limit", "3", "--id=rel-1", "-e", "prod")),
        (["-e", "prod", "rel-1"], ("-e", "prod", "--id=rel-1")),
        (["--id", "rel-1"], ("--id", "rel-1")),
        ([], ()),
    ],
)
def test_a_positional_becomes_its_flag(words: list[str], expected: tuple[str, ...]) -> None:
    assert named(SHOW, words) == expected


def test_lists_are_cut_at_commas_once_each() -> None:
    assert value_of(Flag("services", "", default=()), "api, web,,api") == ("api", "web")


def test_a_value_outside_the_choices_is_refused() -> None:
    with pytest.raises(NotFound, match="did you mean 'json'"):
        value_of(Flag("format", "", default="text", choices=("text", "json")), "jsn")


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_words_are_taken_apart_or_refused(words: list[str]) -> None:
    try:
        split(words, GROUPS)
    except StagecraftError as error:
        assert error.hint
