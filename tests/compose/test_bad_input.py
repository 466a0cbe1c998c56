"""Bad compose files: one clear refusal, at once, whatever the file. `refused/` has those that compose refuses too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ConfigError

from stagecraft.compose import load
from tests.compose.cases import CORPUS


def refusal(folder: Path, content: bytes | str) -> str:
    """Write a compose file, load it, and return the refusal; it must come within two seconds."""
    raw = content.encode() if isinstance(content, str) else content
    (folder / "compose.yaml").write_bytes(raw)
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load(folder, None, {"HOME": "/"})
    assert time.monotonic() - started < 2
    assert all(problem.hint and problem.where for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b"#" * 50_000_000, "the file has 50000000 bytes"),
        (b"services: {a: {image: x}}".join([b"\0"] * 2), "the file is binary"),
        ("services: {}".encode("utf-16"), "the file is UTF-16"),
        (b"services: {a: {image: \xff}}", "the file is not UTF-8 text"),
        ("services: " + "[" * 10_000, "nested more than 100 deep"),
        ("services: " + "{a: " * 10_000, "nested more than 100 deep"),
        ("services:\n\ta: {image: x}\n", "not valid YAML"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{n}: &{n} [{','.join(['*' + m] * 9)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
        ), "aliases expand"),
        ("services: {a: {image: '${A:-" + "${B:-" * 200 + "}" * 201 + "'}}", "nested more than 50 deep"),
        ("services: {'--rm': {image: x}, 'a;b': {image: x}, '../c': {image: x}}", "services cannot have the name `a;b`"),
        ("include: ['https://example.com/x.git']", "is not a local file"),
        ("services: {a: {extends: {file: 'git@example.com:x', service: a}}}", "is not a local file"),
        ("include: 5", "include must be a list"),
        ("services: {a: {image: x, env_file: /dev/zero}}", "this is not a regular file"),
        ("services: {a: {image: x, env_file: /}}", "this is a directory"),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 60 else value,
)  # fmt: skip
def test_hostile_files_are_refused_at_once(tmp_path: Path, content: bytes | str, fault: str) -> None:
    assert fault in refusal(tmp_path, content)


def test_long_chains_are_refused_without_recursion(tmp_path: Path) -> None:
    chain = "".join(f"  s{i}: {{extends: s{i + 1}}}\n" for i in range(5_000))
    assert "too many services in a row" in refusal(tmp_path, f"services:\n{chain}  s5000: {{image: x}}\n")


def test_a_long_row_of_dependencies_is_fine_and_a_long_circle_is_not(tmp_path: Path) -> None:
    row = "services:\n" + "".join(f"  s{i:04}: {{image: x, depends_on: [s{i + 1:04}]}}\n" for i in range(2_000))
    (tmp_path / "compose.yaml").write_text(row + "  s2000: {image: x}\n")
    assert len(load(tmp_path, None, {}).services) == 2_001
    circle = refusal(tmp_path, row + "  s2000: {image: x, depends_on: [s0000]}\n")
    assert "services depend on each other in a circle: s0000 -> s0001 -> s0002 -> " in circle
    assert len(circle) < 500


def test_without_a_compose_file_the_names_looked_for_are_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no compose file here \(looked for compose.yaml, compose.yml"):
        load(tmp_path, None, {})


def test_unreadable_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"deploy/none\.yaml:1:1: no such file"):
        load(tmp_path, [Path("deploy/none.yaml")], {})
    with pytest.raises(ConfigError, match="here:1:1: this is a directory"):
        (tmp_path / "here").mkdir()
        load(tmp_path, [Path("here")], {})


def mutations(value: Any) -> Iterator[Any]:
    """Yield `value` with each of its parts replaced by something of another kind."""
    yield from (None, 7, "text", [[]], {"a": None})
    if isinstance(value, dict):
        for key, entry in value.items():
            for changed in mutations(entry):
                yield {**value, key: changed}
    if isinstance(value, list):
        for index, entry in enumerate(value):
            for changed in mutations(entry):
                yield [*value[:index], changed, *value[index + 1 :]]


@pytest.mark.parametrize("name", ["misc-keys", "deploy", "volumes", "networks", "healthchecks", "configs-secrets"])
def test_a_wrong_type_at_any_key_is_read_or_refused_with_a_place(tmp_path: Path, name: str) -> None:
    original = yaml.safe_load((CORPUS / name / "compose.yaml").read_text())
    for changed in mutations(original):
        (tmp_path / "compose.yaml").write_text(json.dumps(changed))
        try:
            load(tmp_path, None, {"HOME": "/"})
        except ConfigError as error:
            assert all(problem.hint and problem.where for problem in error.problems)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_to_a_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text = (CORPUS / "stack-app" / "docker-compose.yml").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    junk = data.draw(st.text(st.sampled_from("{}[]:,-&*!|>'\"%@`#? \n\tab1$<~"), max_size=12))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "docker-compose.yml").write_text(text[:start] + junk + text[end:])
    try:
        load(folder, None, {"HOME": "/"})
    except ConfigError as error:
        assert all(problem.hint and problem.where for problem in error.problems)


def test_a_wrong_type_at_any_key_of_an_override_is_read_or_refused(tmp_path: Path) -> None:
    folder = CORPUS / "override"
    (tmp_path / "compose.yaml").write_bytes((folder / "docker-compose.yml").read_bytes())
    original = yaml.safe_load((folder / "docker-compose.override.yml").read_text())
    for changed in mutations(original):
        (tmp_path / "compose.override.yaml").write_text(json.dumps(changed))
        try:
            load(tmp_path, None, {"HOME": "/"})
        except ConfigError as error:
            assert all(problem.hint and problem.where for problem in error.problems)
