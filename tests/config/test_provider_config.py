"""What a provider's configuration class can hold, and how its faults are told."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import ConfigError, PluginBroken, PluginFault
from stagecraft_hookspecs.provider import Provider

from stagecraft.config import resolve, validate

HEAD = "project: {name: shop}\n"


def block(line: str) -> str:
    return HEAD + f"backend: {{provider: everything, everything: {{{line}}}}}\n"


@pytest.mark.parametrize(("line", "name", "value"), [
    ("number: 3", "number", 3), ("ratio: 2", "ratio", 2.0), ("flag: true", "flag", True), ("maybe: x", "maybe", "x"),
    ("level: low", "level", "low"),
("either: a", "either", "a"), ("either: [a, b]", "either", ("a", "b")), ("words: []", "words", ()),
    ("numbers: [1, 2]", "numbers", [1, 2]), ("table: {a: 1}", "table", {"a": 1}), ("colour: green", "colour", "green"),
    ("level: high", "level", "high"), ("port: 8080", "port", 8080), ("wait: 1m", "wait", 60.0),
    ("wait: 5", "wait", 5.0),
    ("anything: [1, {a: null}]", "anything", [1, {"a": None}]),
])  # fmt: skip
def test_shapes(project: Any, line: str, name: str, value: Any) -> None:
    read = getattr(project.load(block(line)).providers["backend"].config, name)
    assert (read, type(read)) == (value, type(value)) or (name == "colour" and read == value)


def test_records_nest(project: Any) -> None:
    config = project.load(block("part: {size: 1}, parts: [{size: 2, name: b}, {size: 3}]")).providers["backend"].config
    assert (config.part.size, [(p.size, p.name) for p in config.parts]) == (1, [(2, "b"), (3, "part")])


@pytest.mark.parametrize(("line", "fault"), [
    ("text: null", "text: expected a string, got nothing"),
    ("text: 1.10", "text: expected a string, got 1.1"),
    ("number: 5.7", "number: expected a whole number, got 5.7"),
    ('number: "5"', 'number: expected a whole number, got "5"'),
    ("number: true", "number: expected a whole number, got true"),
    ("number: 0", "number: 'number' must be >= 1: 0"),
    ("ratio: true", "ratio: expected a number, got true"),
    ("ratio: .nan", "ratio: expected a number, got NaN"),
    ('flag: "false"', 'flag: expected true or false, got "false"'),
    ("flag: null", "flag: expected true or false, got nothing"),
    ("words: abc", 'words: expected a list of strings, got "abc"'),
    ("words: [a, 5]", "words[1]: expected a string, got 5"),
    ("either: 5", "either: expected a string or a list of strings, got 5"),
    ("table: [a]", "table: expected a mapping, got a list"),
    ("table: {a: x}", 'table.a: expected a whole number, got "x"'),
    ("part: {}", "part.size: is missing"),
    ("parts: [{size: 1, sise: 2}]", "parts[0].sise: unknown key; did you mean 'size'?"),
    ("colour: blue", 'colour: expected one of red, green, got "blue"'),
    ("level: 5", "level: expected one of low, high, got 5"),
    ("port: 70000", "port: expected a port (1 to 65535), got 70000"),
    ("wait: never", 'wait: expected a duration, got "never"'),
    ("api_token: 12345", "api_token: expected a string, got a value that is not shown"),
    ("hidden: [s3cr3t]", "hidden: expected a string, got a value that is not shown"),
])  # fmt: skip
def test_faults(project: Any, line: str, fault: str) -> None:
    told = project.faults(block(line))
    assert [t.split(": ", 1)[1] for t in told] == [f"backend.everything.{fault}"]


def test_a_rule_of_the_whole_class_is_told_at_the_block(project: Any) -> None:
    told = project.faults(block("number: 101, flag: true"))
    assert told == ["2:45: backend.everything: a number over 100 cannot have the flag"]


def test_a_validator_hides_no_other_fault(project: Any) -> None:
    assert len(project.faults(block("number: 0, flag: 3, port: 0"))) == 3


def test_a_broken_plugin_is_not_the_files_fault(project: Any) -> None:
    def broken(kind: str, name: str, where: Any) -> Any:
        raise PluginBroken("the plugin 'x' cannot be loaded", hint="reinstall it")

    with pytest.raises(PluginBroken):
        resolve(project.raw(HEAD), None, broken, {"state": "local"})


def test_the_files_own_faults_come_before_a_broken_plugin(project: Any) -> None:
    def broken(kind: str, name: str, where: Any) -> Any:
        raise PluginBroken("the plugin 'x' cannot be loaded", hint="reinstall it")

    raw = project.raw(HEAD + "backend: x\nrollout: {keep: 0}\n")
    with pytest.raises(ConfigError, match=r"rollout\.keep"):
        resolve(raw, None, broken, {})
    assert [p.message.split(":")[0] for p in validate(raw, broken, {})] == ["rollout.keep"]
    with pytest.raises(PluginBroken):
        validate(project.raw(HEAD + "backend: x\n"), broken, {})


def test_a_class_that_cannot_be_read_names_itself(project: Any) -> None:
    @attrs.frozen
    class Odd:
        value: complex = 1j

    class Fake(Provider):
        Config = Odd

    with pytest.raises(PluginFault, match="Odd"):
        resolve(project.raw(HEAD + "state: {local: {value: 1}}\n"), None, lambda *_: Fake, {"state": "local"})
