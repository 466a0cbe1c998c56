"""Every fault in one run, each with its place, the path, what was expected, and the next step."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_hookspecs.errors import ConfigError

MANY = """\
project: {nam: shop}
compose: 5
bakend: generic
backend:
  provider: encore
frontend: {provider: vite, providers: {vite: {service: 5, dev: {workdir: ./web, comand: [x]}}}}
hosts:
  app: [app-1, {name: app-2, prt: 22}]
  db: [db-1, 7]
services: {api: {role: ap}}
databases:
  main: {migrations: {engine: raw, lock_timeout: soon}}
rollout: {soak: "30", keep: 5.7, auto_undo: "false"}
x-anything: {goes: here}
environments:
  prod: {hosts: {db: [{}]}, runtime: compos}
"""


def test_all_at_once(project: Any) -> None:
    assert project.faults(MANY) == [
        "1:10: project.name: is missing",
        "1:11: project.nam: unknown key; did you mean 'name'?",
        "2:10: compose: expected a path inside the project or a list of strings, got 5",
        "3:1: bakend: unknown key; did you mean 'backend'?",
        "5:13: backend.provider: no backend provider 'encore'",
        "6:56: frontend.providers.vite.service: expected a string, got 5",
        "6:81: frontend.providers.vite.dev.comand: unknown key; did you mean 'command'?",
        "8:30: hosts.app[1].prt: unknown key; did you mean 'port'?",
        "10:24: services.api.role: no role 'ap' under hosts; did you mean 'app'?",
        '12:50: databases.main.migrations.lock_timeout: expected a duration, got "soon"',
        '13:17: rollout.soak: expected a duration, got "30"',
        "13:29: rollout.keep: expected a whole number from 1, got 5.7",
        '13:45: rollout.auto_undo: expected true or false, got "false"',
        "16:23: environments.prod.hosts.db[0].name: is missing",
        "16:38: environments.prod.runtime: no runtime provider 'compos'; did you mean 'compose'?",
    ]


def test_hints_are_next_steps(project: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        project.load(MANY)
    hints = {str(p).split(": ")[1]: p.hint for p in caught.value.problems}
    assert hints["project.nam"] == "known keys: name, registry"
    assert hints["project.name"] == "add `name`: the project's name"
    assert hints["rollout.soak"] == "write 30s, 1m30s, 500ms, or a number of seconds"
    assert hints["rollout.auto_undo"] == "write true or false, without quotes"
    assert hints["frontend.providers.vite.service"] == 'write it in quotes: "5"'
    assert hints["services.api.role"] == "known: app, db"


def test_a_fault_is_a_config_error_with_exit_code_1(project: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        project.load("project: {name: 5}\n")
    assert (caught.value.exit_code, str(caught.value.where)) == (1, "stagecraft.yml:1:17")


def test_keys_of_ones_own_are_allowed_at_the_top_alone(project: Any) -> None:
    assert project.load("x-a: &a {soak: 3s}\nproject: {name: a}\nrollout: *a\n").rollout.soak == 3.0
    assert project.faults("project: {name: a, x-b: 1}\n") == ["1:20: project.x-b: unknown key"]


@pytest.mark.parametrize("text", ["1", "word", "[a]", "true", "- a"])
def test_a_file_that_is_no_mapping(project: Any, text: str) -> None:
    assert "expected a mapping of keys" in project.faults(text)[0]


def test_a_host_is_described_once(project: Any) -> None:
    text = "project: {name: a}\nhosts:\n  app: [{name: one, address: 10.0.0.1}]\n  db: [one]\n"
    host = project.load(text).hosts[0]
    assert (host.address, host.port, host.roles) == ("10.0.0.1", 22, ("app", "db"))
    told = project.faults(text + "  web: [{name: one, address: 10.0.0.2}]\n")
    assert told == ["5:9: hosts.web[0]: the host 'one' is named twice with a different address"]


def test_the_host_called_local_is_this_machine(project: Any) -> None:
    assert project.load("project: {name: a}\nhosts: {app: [local]}\n").hosts[0].name == "local"
    told = project.faults("project: {name: a}\nhosts: {app: [{name: local, port: 23}]}\n")
    assert told == ["2:15: hosts.app[0]: the host 'local' has no address, user or port"]


def test_two_databases_need_two_variables(project: Any) -> None:
    text = "project: {name: a}\ndatabases: {one: {}, two: {connection_env: DATABASE_URL}}\n"
    assert project.faults(text) == [
        "2:44: databases.two.connection_env: the databases 'one' and 'two' have the same connection_env (DATABASE_URL)"
    ]


def test_names_are_compared_with_the_compose_file(project: Any) -> None:
    from stagecraft.config.checks import unknown_services

    config = project.load("project: {name: a}\nservices: {api: {}, wbe: {}}\ndatabases: {main: {service: postgress}}\n")
    assert unknown_services(config, ["api", "web", "postgres"]) == unknown_services(config, ["web", "postgres", "api"])
    assert project.told(unknown_services(config, ["api", "web", "postgres"])) == [
        "2:26: services.wbe: no service 'wbe' in the compose file; did you mean 'web'?",
        "3:29: databases.main.service: no service 'postgress' in the compose file; did you mean 'postgres'?",
    ]


def test_a_host_that_is_not_there_has_a_suggestion(project: Any) -> None:
    from stagecraft_hookspecs.errors import NotFound

    with pytest.raises(NotFound, match="no host 'ap-1'; did you mean 'app-1'"):
        project.load("project: {name: a}\nhosts: {app: [app-1]}\n").host("ap-1")
