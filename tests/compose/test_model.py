"""What planning reads of a compose project: typed services, places, files, warnings."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from stagecraft.compose import load

COMPOSE = """\
name: shop
services:
  web:
    image: shop/web:${TAG:-1}
    build: {context: ./web, args: {A: 1}, target: run}
    command: serve --port 80
    entrypoint: []
    environment: {PRICE: "5 $$", NOWHERE: }
    env_file: web.env
    ports: ["127.0.0.1:8080:80", "53:53/udp"]
    volumes: ["./web:/srv:ro", "data:/data", "/anon"]
    healthcheck: {test: curl localhost, interval: 1m30s, timeout: 500ms, retries: 3}
    depends_on: {db: {condition: service_healthy, restart: true}}
    deploy: {replicas: 2, labels: {a: b}, update_config: {order: start-first, delay: 10s, parallelism: 1}}
    stop_grace_period: 1m
    stop_signal: SIGINT
    restart: always
    labels: [x=y]
    x-stagecraft: {role: front}
  db: {image: postgres, healthcheck: {disable: true}, network_mode: host, container_name: the-db}
  debug: {image: busybox, profiles: [debug]}
volumes: {data: }
x-team: core
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "web.env").write_text("FROM_FILE=1\n")
    return tmp_path


def test_a_service_holds_what_compose_prints_with_real_dollars(shop: Path) -> None:
    web = load(shop, None, {}).services["web"]
    assert web.image == "shop/web:1"
    assert web.environment == {"PRICE": "5 $", "NOWHERE": None, "FROM_FILE": "1"}
    assert web.raw["deploy"]["update_config"] == {"order": "start-first", "delay": "10s", "parallelism": 1}
    assert web.extensions == {"x-stagecraft": {"role": "front"}}


def test_profiles_part_the_services(shop: Path) -> None:
    project = load(shop, None, {})
    assert list(project.services) == ["db", "web"]
    assert list(project.disabled_services) == ["debug"]
    assert list(load(shop, None, {}, profiles=["debug"]).services) == ["db", "debug", "web"]


def test_values_have_places(shop: Path) -> None:
    project = load(shop, None, {})
    assert str(project.mark("services", "web", "image")) == "compose.yaml:4:12"
    assert str(project.key_mark("services", "web", "ports")) == "compose.yaml:10:5"
    assert str(project.mark("services", "web", "ports", 1)) == "compose.yaml:10:34"
    assert project.mark("services", "web", "cpus") is None


def test_the_place_is_in_the_last_file_that_says_it(shop: Path) -> None:
    (shop / "compose.override.yaml").write_text("services:\n  web: {image: other}\n")
    project = load(shop, None, {})
    assert str(project.mark("services", "web", "image")) == "compose.override.yaml:2:16"
    assert str(project.mark("services", "web", "restart")) == "compose.yaml:17:14"


def test_every_file_read_is_listed(shop: Path) -> None:
    (shop / ".env").write_text("TAG=2\n")
    project = load(shop, None, {})
    assert project.files == (shop / ".env", shop / "compose.yaml", shop / "web.env")
    assert project.services["web"].image == "shop/web:2"


def test_dollars_are_doubled_only_in_what_compose_prints(shop: Path) -> None:
    project = load(shop, None, {})
    assert project.to_dict()["services"]["web"]["environment"]["PRICE"] == "5 $$"
    assert project.extensions == {"x-team": "core"}
    assert "x-stagecraft" not in project.to_dict()["services"]["web"]


def test_unset_variables_and_obsolete_keys_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("version: '3'\nservices: {a: {image: 'x:$TAG'}}\n")
    assert [str(warning) for warning in load(tmp_path, None, {}).warnings] == [
        "compose.yaml:2:23: the variable TAG is not set and counts as empty",
        "compose.yaml:1:1: `version` is obsolete and ignored",
    ]


def test_loading_twice_gives_equal_projects(shop: Path) -> None:
    assert load(shop, None, {}) == load(shop, None, {})
    assert attrs.evolve(load(shop, None, {}), name="x") != load(shop, None, {})


def test_the_working_folder_is_the_first_files(shop: Path) -> None:
    project = load(shop.parent, [Path(shop.name) / "compose.yaml"], {})
    assert project.working_dir == shop
    assert str(project.mark("name")) == f"{shop.name}/compose.yaml:1:7"


def test_raw_env_files_are_taken_word_for_word(shop: Path) -> None:
    (shop / "compose.yaml").write_text("services: {a: {image: x, env_file: [{path: raw.env, format: raw}]}}")
    (shop / "raw.env").write_text("A='$B' # c\n")
    assert load(shop, None, {}).services["a"].environment == {"A": "'$B' # c"}
