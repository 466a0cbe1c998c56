"""The resolved configuration as data: complete, the same every time, and without a secret in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HEAD = "project: {name: shop}\n"
SHOP = (Path(__file__).parent / "good" / "shop.yml").read_text()


def test_it_has_defaults_filled_in_and_the_full_form(project: Any) -> None:
    data = project.load(SHOP, "prod").to_dict()
    assert data["backend"]["provider"] == "generic"
    assert data["backend"]["providers"]["generic"]["build"] == {"context": "./api", "dockerfile": "Dockerfile"}
    assert data["hosts"]["app"] == [
        {"name": "app-1"},
        {"name": "app-2", "address": "10.0.0.12", "user": "deploy", "port": 2222},
    ]
    assert data["rollout"] == {"soak": 30.0, "max_parallel": "50%", "auto_undo": True, "keep": 5}
    assert data["databases"]["main"]["migrations"] == {
        "engine": "raw", "strategy": "pre_deploy", "path": "migrations", "lock_timeout": 5.0,
    }  # fmt: skip


@pytest.mark.parametrize("environment", ["local", "staging", "prod"])
def test_it_loads_again_as_a_configuration_that_means_the_same(project: Any, environment: str) -> None:
    config = project.load(SHOP, environment)
    data = config.to_dict()
    del data["environment"]
    again = project.load(json.dumps(data), name="again.yml")
    assert (again.hosts, again.services, again.rollout, again.env_files) == (
        config.hosts, config.services, config.rollout, config.env_files,
    )  # fmt: skip
    assert {k: v.config for k, v in again.providers.items()} == {k: v.config for k, v in config.providers.items()}
    assert again.databases["main"].engine.config == config.databases["main"].engine.config


def test_the_order_of_the_file_does_not_show(project: Any) -> None:
    lines = [
        "project: {name: a}",
        "services: {b: {}, a: {}}",
        "hosts: {z: [q, p], a: [p]}",
        "backend: {provider: everything, table: {b: 1, a: 2}}",
    ]
    one = json.dumps(project.load("\n".join(lines)).to_dict())
    assert one == json.dumps(
        project.load("\n".join(reversed(lines)).replace("q, p", "p, q").replace("b: 1, a: 2", "a: 2, b: 1")).to_dict()
    )


CANARY = "c4nary-s3cr3t"


@pytest.mark.parametrize("line", [
    f"api_token: {CANARY}", f"hidden: {CANARY}", f"anything: {{DB_PASSWORD: {CANARY}}}",
    f"anything: {{list: [{{client_secret: {CANARY}}}]}}",
    f"text: 'postgres://user:{CANARY}@db/x'", "text: 'pre-${DB_PASSWORD}'", "anything: ['${API_TOKEN}']",
    f"anything: {{apiKey: {CANARY}}}",
    f"anything: {{credentials: [{CANARY}]}}", f"words: ['redis://:{CANARY}@cache:6379']",
])  # fmt: skip
def test_secrets_are_masked(project: Any, line: str) -> None:
    text = HEAD + f"backend: {{provider: everything, {line}}}\n"
    config = project.load(text, DB_PASSWORD=CANARY, API_TOKEN=CANARY)
    shown = json.dumps(config.to_dict())
    assert CANARY not in shown
    assert "<masked>" in shown
    assert CANARY not in repr(config)
    assert CANARY in repr(config.providers["backend"].config)


def test_names_of_variables_are_no_secrets(project: Any) -> None:
    data = project.load(SHOP, "prod").to_dict()
    assert data["network"]["providers"]["tailscale"]["auth_key_env"] == "TS_AUTHKEY"
