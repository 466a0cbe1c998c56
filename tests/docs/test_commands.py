"""The pages of the commands say what the commands' own descriptions say: flags, values, defaults, exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from stagecraft_hookspecs.commands import CommandLine, Flag

from stagecraft.cli.registry import GLOBAL_FLAGS, MODULES, builtin_commands, commands_of

PAGES = Path(__file__).parents[2] / "spec" / "commands"
FLAG = re.compile(r"^\| `(?:-(\w), )?--([\w-]+)` \| ([^|]*) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"^\| (\d+) \| (.*) \|$", re.MULTILINE)


def value(flag: Flag) -> str:
    if isinstance(flag.default, bool):
        return "switch"
    if flag.choices:
        return "/".join(flag.choices)
    if isinstance(flag.default, tuple):
        return "names"
    return "number" if isinstance(flag.default, int) else flag.metavar.lower() or "text"


def row(flag: Flag) -> tuple[str, str, str, str, str]:
    default = "" if flag.default in ("", (), False) else str(flag.default)
    return flag.short, flag.name, value(flag), default, flag.help


def sections(word: str) -> Iterator[tuple[CommandLine, str]]:
    """Yield each command of a page with the part of the page that is its own."""
    text = (PAGES / f"{word}.md").read_text()
    commands = commands_of(word)
    if len(commands) == 1:
        yield commands[0], text
        return
    for command in commands:
        part = re.search(rf"^## {command.name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert part, f"{word}.md has no section for {command.name}"
        yield command, part[1]


@pytest.mark.parametrize("word", sorted(MODULES))
def test_a_page_says_what_its_commands_take_and_return(word: str) -> None:
    for command, text in sections(word):
        assert command.help in text
        told = [tuple(part.strip() for part in found) for found in FLAG.findall(text)]
        assert told == [row(flag) for flag in command.flags]
        assert [(int(code), when) for code, when in CODE.findall(text)] == sorted(command.exit_codes.items())


@pytest.mark.parametrize("word", sorted(MODULES))
def test_the_front_matter_sums_it_up(word: str) -> None:
    matter = yaml.safe_load((PAGES / f"{word}.md").read_text().split("---")[1])
    commands = commands_of(word)
    assert matter["inputs"]["flags"] == list(dict.fromkeys(f"--{f.name}" for c in commands for f in c.flags))
    assert matter["outputs"]["exit_codes"] == sorted({code for c in commands for code in c.exit_codes})


def test_every_page_is_of_a_command() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == set(MODULES)


def test_flags_that_every_command_has_are_on_the_page_about_all_commands() -> None:
    told = [tuple(part.strip() for part in found) for found in FLAG.findall((PAGES / "README.md").read_text())]
    assert told == [row(flag) for flag in GLOBAL_FLAGS]


@pytest.mark.parametrize("command", builtin_commands(), ids=lambda c: c.name)
def test_a_command_that_changes_something_takes_no_positional(command: CommandLine) -> None:
    assert not (command.changes and any(flag.positional for flag in command.flags))


@pytest.mark.parametrize("command", builtin_commands(), ids=lambda c: c.name)
def test_no_flag_is_named_twice(command: CommandLine) -> None:
    flags = (*command.flags, *GLOBAL_FLAGS)
    names = [name for f in flags for name in (f.name, f.short, *f.aliases) if name]
    assert len(names) == len(set(names))
