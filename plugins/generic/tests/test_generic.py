"""What the generic backend and frontend say of a project."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_generic.application import BuildConfig, DevConfig, GenericConfig
from stagecraft_generic.providers import GenericBackend, GenericFrontend
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Build, Detected, Project, Ready

BUILT = {"build": {"context": "."}}


def project(**services: dict[str, Any]) -> Project:
    return Project("shop", "prod", MemoryFolder(), services)


@pytest.mark.parametrize(
    ("config", "services", "service"),
    [
        (GenericConfig("worker"), {"api": BUILT, "worker": BUILT}, "worker"),
        (GenericConfig(), {"api": BUILT, "worker": BUILT}, "api"),
        (GenericConfig(), {"backend": {"image": "x"}, "worker": BUILT}, "backend"),
        (GenericConfig(), {"postgres": {"image": "x"}, "worker": BUILT}, "worker"),
        (GenericConfig(), {"one": BUILT, "two": BUILT}, ""),
        (GenericConfig(), {}, ""),
    ],
    ids=["configured", "named api", "another usual name", "the only built one", "two built ones", "none"],
)
def test_the_backends_service(config: GenericConfig, services: dict[str, Any], service: str) -> None:
    assert GenericBackend(config).service(project(**services)) == service


def test_the_frontends_service_is_one_of_the_usual_names_or_none() -> None:
    assert GenericFrontend().service(project(api=BUILT, web=BUILT)) == "web"
    assert GenericFrontend().service(project(api=BUILT)) == "", "the only built one is the backend's"
    assert GenericFrontend(GenericConfig("page")).service(project(page=BUILT)) == "page"


@pytest.mark.parametrize(
    ("dev", "ready"),
    [
        (DevConfig(("run",)), Ready()),
        (DevConfig(("run",), port=3000), Ready(port=3000)),
        (DevConfig(("run",), env={"PORT": "4000"}), Ready(port=4000)),
        (DevConfig(("run",), env={"PORT": "auto"}), Ready()),
        (
            DevConfig(("run",), env={"PORT": "4000"}, url="http://127.0.0.1:4000/up"),
            Ready(url="http://127.0.0.1:4000/up"),
        ),
        (DevConfig(("run",), port=1, line="listening", timeout=5.0), Ready(line="listening", timeout=5.0)),
    ],
)
def test_when_the_dev_command_is_ready(dev: DevConfig, ready: Ready) -> None:
    (process,) = GenericBackend(GenericConfig(dev=dev)).dev(project())
    assert process.ready == ready


def test_the_dev_command_runs_where_and_as_it_is_told() -> None:
    dev = DevConfig(("npm", "run", "dev"), "./api", {"PORT": "4000"}, watch=("api/*.js",))
    (process,) = GenericFrontend(GenericConfig(dev=dev)).dev(project())
    assert process.name == "frontend"
    assert process.command.argv == ("npm", "run", "dev")
    assert process.command.cwd == "./api"
    assert dict(process.command.env) == {"PORT": "4000"}
    assert process.watch == ("api/*.js",)
    assert GenericBackend().dev(project()) == ()


def test_an_empty_dev_command_is_the_users_error() -> None:
    with pytest.raises(UserError, match="the backend's dev command is empty") as error:
        GenericBackend(GenericConfig(dev=DevConfig(()))).dev(project())
    assert error.value.hint == "give it as a list of words: `command: [npm, run, dev]`"


def test_the_build_is_the_configured_one_or_the_compose_files() -> None:
    config = GenericConfig(build=BuildConfig("./api", "ops/Dockerfile", "release", {"B": "2", "A": "1"}))
    built = GenericBackend(config).build(project(api=BUILT))
    assert built == Build("api", "./api", "ops/Dockerfile", target="release", args={"A": "1", "B": "2"})
    assert GenericBackend().build(project(api=BUILT)) is None
    assert GenericBackend(config).build(project()) is None, "nothing to build without a service"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (
            {"api/package.json": '{"scripts": {"dev": "node ."}}', "api/Dockerfile": ""},
            Detected(
                {"service": "api", "dev": {"command": ["npm", "run", "dev"], "workdir": "./api"}},
                "api/package.json",
                30,
            ),
        ),
        ({"server/package.json": "{}"}, Detected({"service": "server"}, "server/package.json", 30)),
        ({"backend/package.json": "{not json"}, Detected({"service": "backend"}, "backend/package.json", 30)),
        ({"app/Dockerfile": "FROM scratch"}, Detected({"service": "app"}, "app/Dockerfile", 20)),
        ({"web/package.json": "{}", "README.md": ""}, None),
    ],
)
def test_what_a_backend_recognises(files: dict[str, str], found: Detected | None) -> None:
    assert GenericBackend.detect(MemoryFolder(files)) == found


def test_what_a_frontend_recognises() -> None:
    assert GenericFrontend.detect(MemoryFolder({"web/Dockerfile": ""})) == Detected(
        {"service": "web"}, "web/Dockerfile", 20
    )
    assert GenericFrontend.detect(MemoryFolder({"api/Dockerfile": ""})) is None
