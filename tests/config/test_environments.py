"""What an environment changes: mappings merge, lists and values replace, another provider starts afresh."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_hookspecs.values import Host

from stagecraft.config import resolve_base

BASE = """\
project: {name: shop}
compose: docker-compose.yml
backend: {provider: generic, service: api, dev: {workdir: ./api, env: {A: "1", B: "2"}}}
services: {api: {role: app, replicas: 1}, db: {role: db}}
hosts: {app: [one, two], db: [three]}
rollout: {soak: 5s, keep: 3}
databases: {main: {connection_env: MAIN_URL, migrations: {engine: raw, path: ./sql}}}
environments:
  prod:
"""


def override(line: str) -> str:
    return BASE + f"    {line}\n"


def test_mappings_merge_deeply(project: Any) -> None:
    config = project.load(override("backend: {dev: {env: {B: '3', C: '4'}}}"))
    dev = config.providers["backend"].config.dev
    assert (dev.workdir, dev.env) == ("./api", {"A": "1", "B": "3", "C": "4"})


def test_lists_and_values_replace(project: Any) -> None:
    config = project.load(override("{hosts: {app: [four]}, rollout: {soak: 10}, services: {api: {replicas: 4}}}"))
    assert [h.name for h in config.hosts] == ["four", "three"]
    assert (config.rollout.soak, config.rollout.keep) == (10.0, 3)
    assert (config.services["api"].role, config.services["api"].replicas) == ("app", 4)


@pytest.mark.parametrize(
    "form", ["{provider: generic, providers: {generic: {service: web}}}", "{generic: {service: web}}", "{service: web}"]
)
def test_any_form_overrides_any_form(project: Any, form: str) -> None:
    backend = project.load(override(f"backend: {form}")).providers["backend"].config
    assert (backend.service, backend.dev.workdir) == ("web", "./api")


def test_another_provider_leaves_the_formers_block_behind(project: Any) -> None:
    chosen = project.load(override("backend: everything")).providers["backend"]
    assert (chosen.name, chosen.block) == ("everything", {})


def test_another_engine_leaves_the_formers_keys_behind(project: Any) -> None:
    database = project.load(override("databases: {main: {migrations: {engine: command, command: [m]}}}")).databases[
        "main"
    ]
    assert (database.connection_env, database.engine.name, database.engine.config.command) == (
        "MAIN_URL",
        "command",
        ("m",),
    )


def test_compose_files_and_profiles_may_differ(project: Any) -> None:
    config = project.load(
        override("{compose: [docker-compose.yml, prod.yml], profiles: [worker], env_file: [a.env, b.env]}")
    )
    assert config.compose_files == ("docker-compose.yml", "prod.yml")
    assert (config.profiles, config.env_files) == (("worker",), ("a.env", "b.env"))


def test_an_environment_may_have_nothing_to_say(project: Any) -> None:
    assert project.load(BASE).rollout.keep == 3


def test_faults_of_an_override_have_the_overrides_place(project: Any) -> None:
    assert project.faults(override("{backend: {dev: {workdir: 5}}, rollout: {keep: no}}")) == [
        "10:31: environments.prod.backend.dev.workdir: expected a string, got 5",
        '10:52: environments.prod.rollout.keep: expected a whole number from 1, got "no"',
    ]


def test_an_environment_has_fewer_keys_than_the_top_level(project: Any) -> None:
    assert project.faults(override("project: {name: other}")) == ["10:5: environments.prod.project: unknown key"]
    assert project.faults(override("host: {}")) == ["10:5: environments.prod.host: unknown key; did you mean 'hosts'?"]


def test_only_the_chosen_environment_can_stop_a_run_and_validate_sees_all(project: Any) -> None:
    text = override("runtime: compose") + "  other:\n    runtime: nonesuch\n    env_file: ${UNSET}\n"
    assert project.load(text, "prod").environment == "prod"
    assert project.all_faults(text) == [
        "12:14: environments.other.runtime: no runtime provider 'nonesuch'",
        "13:15: environments.other.env_file: the variable UNSET is not set",
    ]


def test_validate_sees_a_fault_of_the_base_that_every_environment_hides(project: Any) -> None:
    text = "project: {name: shop}\nrollout: {keep: none}\nenvironments: {prod: {rollout: {keep: 2}}}\n"
    assert project.load(text).rollout.keep == 2
    assert project.all_faults(text) == ['2:17: rollout.keep: expected a whole number from 1, got "none"']


def test_the_base_can_be_resolved_without_an_environment(project: Any) -> None:
    config = resolve_base(project.raw(override("backend: everything")), "dev", project.classes, {})
    assert (config.environment, config.providers["backend"].name) == ("dev", "generic")


def test_an_environment_called_local_takes_no_hosts_from_the_base(project: Any) -> None:
    base = "project: {name: shop}\nhosts: {app: [far]}\n"
    assert project.load(base + "environments: {local: {}}\n").hosts == (Host("local", roles=("app",)),)
    own = project.load(base + "environments: {local: {hosts: {app: [near]}}}\n")
    assert [h.name for h in own.hosts] == ["near"]
