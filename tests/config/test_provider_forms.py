"""The ways in which a provider's block may be written, and what each wrong way is told."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = "project: {name: shop}\n"


@pytest.mark.parametrize("form", [
    "backend: {provider: generic, providers: {generic: {service: api, dev: {workdir: ./api}}}}",
    "backend: {provider: generic, generic: {service: api, dev: {workdir: ./api}}}",
    "backend: {provider: generic, service: api, dev: {workdir: ./api}}",
])  # fmt: skip
def test_every_form_means_the_same(project: Any, form: str) -> None:
    chosen = project.load(HEAD + form).providers["backend"]
    assert (chosen.name, chosen.config.service, chosen.config.dev.workdir) == ("generic", "api", "./api")
    assert chosen.block == {"service": "api", "dev": {"workdir": "./api"}}


def test_a_name_alone_is_a_provider_with_defaults(project: Any) -> None:
    assert project.load(HEAD + "backend: generic\n").providers["backend"].config.service == ""


def test_a_kind_without_block_has_its_default_or_is_absent(project: Any) -> None:
    providers = project.load(HEAD).providers
    assert sorted(providers) == ["runtime", "state"]
    assert providers["state"].config.keep_log is False


def test_a_block_without_a_name_belongs_to_the_default(project: Any) -> None:
    assert project.load(HEAD + "state: {keep_log: true}\n").providers["state"].config.keep_log is True
    assert project.load(HEAD + "state: {local: {keep_log: true}}\n").providers["state"].config.keep_log is True
    assert (
        project.load(HEAD + "state: {providers: {local: {keep_log: true}}}\n").providers["state"].config.keep_log
        is True
    )


@pytest.mark.parametrize(("form", "fault"), [
    ("backend: {provider: generik}", "2:21: backend.provider: no backend provider 'generik'; did you mean 'generic'?"),
    ("backend: generik", "2:10: backend: no backend provider 'generik'; did you mean 'generic'?"),
    ("backend: {service: api}", "2:10: backend.provider: is missing"),
    ("backend: {providers: {generic: {}}}", "2:10: backend.provider: is missing"),
    ('backend: ""', "2:10: backend: no backend provider ''"),
    ("backend: 5", "2:10: backend: expected a provider's name or a mapping, got 5"),
    ("backend: [generic]", "2:10: backend: expected a provider's name or a mapping, got a list"),
    ("backend:", "2:9: backend: expected a provider's name or a mapping, got nothing"),
    ("backend: {provider: [generic]}", "2:21: backend.provider: expected a provider's name, got a list"),
    ("backend: {provider: generic, providers: 5}", "2:41: backend.providers: expected a mapping, got 5"),
    ("backend: {provider: generic, providers: {generic: 5}}", "2:51: backend.providers.generic: expected a mapping, got 5"),
    ("backend: {provider: generic, servise: api}", "2:30: backend.servise: unknown key; did you mean 'service'?"),
    ("backend: {provider: generic, generic: {}, dev: {}}", "2:43: backend.dev: unknown key beside the block 'generic'"),
    ("backend: {provider: generic, providers: {}, dev: {}}", "2:45: backend.dev: unknown key"),
    ("runtime: {provider: process, x: 1}", "2:30: runtime.x: unknown key"),
    ("network: tailscale", "2:10: network.providers.tailscale.auth_key_env: is missing"),
])  # fmt: skip
def test_wrong_blocks(project: Any, form: str, fault: str) -> None:
    assert project.faults(HEAD + form + "\n")[0] == fault


def test_blocks_of_providers_that_are_not_chosen_wait(project: Any) -> None:
    text = "backend: {provider: generic, providers: {generic: {}, everything: {number: 3}}}\n"
    text += "environments: {a: {}, b: {backend: everything}}\n"
    assert project.load(HEAD + text, "a").providers["backend"].name == "generic"
    assert project.load(HEAD + text, "b").providers["backend"].config.number == 3


def test_a_provider_may_be_named_by_a_variable(project: Any) -> None:
    text = HEAD + "runtime: ${RUNTIME:-process}\n"
    assert project.load(text).providers["runtime"].name == "process"
    assert project.load(text, RUNTIME="compose").providers["runtime"].name == "compose"
    assert project.raw(text, environ={"RUNTIME": "compose"}).provider_names() == {("runtime", "compose")}


def test_an_engine_has_its_own_keys_beside_ours(project: Any) -> None:
    text = HEAD + "databases: {main: {migrations: {engine: command, command: [./migrate], timeout: 2m}}}\n"
    engine = project.load(text).databases["main"].engine
    assert (engine.config.command, engine.config.timeout) == (("./migrate",), 120.0)


@pytest.mark.parametrize(("form", "fault"), [
    ("{engine: rwa}", "2:41: databases.main.migrations.engine: no migration provider 'rwa'; did you mean 'raw'?"),
    ("{path: x}", "2:32: databases.main.migrations.engine: is missing"),
    ("{engine: raw, paht: x}", "2:46: databases.main.migrations.paht: unknown key; did you mean 'path'?"),
    ("{engine: raw, strategy: predeploy}",
     '2:56: databases.main.migrations.strategy: expected one of pre_deploy, post_deploy, manual, got "predeploy"'),
    ("{engine: raw, path: ../x}", "2:52: databases.main.migrations.path: expected a path inside the project, got \"../x\""),
    ("{engine: command}", "2:32: databases.main.migrations.command: is missing"),
    ("5", "2:32: databases.main.migrations: expected a mapping, got 5"),
])  # fmt: skip
def test_wrong_migrations(project: Any, form: str, fault: str) -> None:
    assert project.faults(HEAD + "databases: {main: {migrations: " + form + "}}\n")[0] == fault
