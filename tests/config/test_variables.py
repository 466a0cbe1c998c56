"""Variables in the configuration: `${VAR}`, defaults, required ones, and what they may become."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = "project: {name: shop}\n"


def test_values_come_from_the_environment(project: Any) -> None:
    text = "project: {name: shop, registry: '${REGISTRY:-localhost:5000}'}\nenv_file: .env.$STAGE\n"
    config = project.load(text, STAGE="prod")
    assert (config.registry, config.env_files) == ("localhost:5000", (".env.prod",))
    assert project.load(text, STAGE="x", REGISTRY="r.example.com").registry == "r.example.com"


def test_a_dollar_sign_is_written_twice(project: Any) -> None:
    config = project.load(HEAD + "backend: {provider: generic, dev: {command: [sh, -c, 'echo $$HOME']}}\n")
    assert config.providers["backend"].config.dev.command == ("sh", "-c", "echo $HOME")


def test_a_missing_variable_is_a_fault_with_its_place(project: Any) -> None:
    assert project.faults(HEAD + "env_file: [.env, '.env.${STAGE}']\n") == [
        "2:18: env_file[1]: the variable STAGE is not set"
    ]


def test_a_required_variable_has_its_own_message(project: Any) -> None:
    told = project.faults(HEAD + "env_file: ${STAGE:?say which stage}\n")
    assert told == ["2:11: env_file: the variable STAGE is required but has no value: say which stage"]


def test_a_template_that_is_none(project: Any) -> None:
    assert project.faults(HEAD + "env_file: '${STAGE'\n")[0].startswith(
        "2:11: env_file: `${STAGE` is not a valid template"
    )


@pytest.mark.parametrize(("line", "read"), [
    ("hosts: {app: [{name: a, port: '${X}'}]}", lambda c: c.hosts[0].port == 2222),
    ("rollout: {keep: '${X}'}", lambda c: c.rollout.keep == 2222),
    ("rollout: {soak: '${X}'}", lambda c: c.rollout.soak == 2222.0),
    ("rollout: {max_parallel: '${X}'}", lambda c: c.rollout.max_parallel.amount == 2222),
    ("services: {api: {replicas: '${X}'}}", lambda c: c.services["api"].replicas == 2222),
    ("backend: {provider: everything, ratio: '${X}', text: '${X}', number: '${X}', parts: [{size: '${X}'}]}",
     lambda c: [(b.ratio, b.text, b.number, b.parts[0].size) for b in [c.providers["backend"].config]]
     == [(2222.0, "2222", 2222, 2222)]),
])  # fmt: skip
def test_a_variable_has_no_type_of_its_own(project: Any, line: str, read: Any) -> None:
    assert read(project.load(HEAD + line + "\n", X="2222"))


def test_booleans_and_choices_from_variables(project: Any) -> None:
    text = (
        HEAD
        + "rollout: {auto_undo: '${A}', soak: '${S}'}\n"
        + "backend: {provider: everything, colour: '${C}', level: '${L}', maybe: '${M}'}\n"
    )
    config = project.load(text, A="false", S="1m", C="green", L="high", M="yes")
    backend = config.providers["backend"].config
    assert (config.rollout.auto_undo, config.rollout.soak) == (False, 60.0)
    assert (backend.colour, backend.level, backend.maybe) == ("green", "high", "yes")
    assert type(backend.colour).__name__ == "Colour"


def test_what_a_provider_gets_is_plain(project: Any) -> None:
    text = HEAD + "backend: {provider: everything, text: '${A}', words: ['${A}'], anything: {a: ['${A}']}}\n"
    chosen = project.load(text, A="x").providers["backend"]
    for value in (chosen.config.text, chosen.config.words[0], chosen.config.anything["a"][0], chosen.block["text"]):
        assert (value, type(value)) == ("x", str)


def test_messages_show_the_template_not_the_value(project: Any) -> None:
    told = project.faults(HEAD + "rollout: {keep: '${TOKEN}'}\n", TOKEN="s3cr3t-canary")
    assert told == ['2:17: rollout.keep: expected a whole number from 1, got "${TOKEN}"']


def test_a_value_that_is_overridden_needs_no_variable(project: Any) -> None:
    text = HEAD + "env_file: ${UNSET}\nenvironments: {a: {env_file: .env.a}, b: {}}\n"
    assert project.load(text, "a").env_files == (".env.a",)
    assert project.faults(text, "b") == ["2:11: env_file: the variable UNSET is not set"]


def test_a_provider_named_by_a_variable_that_is_not_set(project: Any) -> None:
    assert project.faults(HEAD + "runtime: ${RUNTIME}\n") == ["2:10: runtime: the variable RUNTIME is not set"]
    assert project.faults(HEAD + "runtime: {provider: '${RUNTIME}'}\n") == [
        "2:21: runtime.provider: the variable RUNTIME is not set"
    ]


def test_faults_inside_blocks(project: Any) -> None:
    told = project.faults(
        HEAD + "backend: {provider: everything, number: '${N}', words: ['${W}'], anything: {a: '${A}'}}\n"
    )
    assert [t.split(": ", 1)[1] for t in told] == [
        "backend.number: the variable N is not set", "backend.words[0]: the variable W is not set",
        "backend.anything.a: the variable A is not set",
    ]  # fmt: skip
