from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_compose import dotenv, naming
from stagecraft_compose.config import Config
from stagecraft_compose.render import ComposeRenderer
from stagecraft_hookspecs.errors import NotFound
from stagecraft_hookspecs.runtime import Deployment, Service
from stagecraft_hookspecs.values import LOCAL, File, Host, Image

DIGEST = "sha256:" + "0123456789abcdef" * 4


class Files:
    """The project's files, in memory."""

    def __init__(self, **files: str) -> None:
        self.files = {name.replace("__", "/").replace("_dot_", "."): text.encode() for name, text in files.items()}

    def exists(self, path: str) -> bool:
        return path in self.files

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise NotFound("file", path)
        return self.files[path]

    def glob(self, pattern: str) -> tuple[str, ...]:
        return ()

    def tree(self, path: str, limit: int) -> dict[str, File]:
        found = {f: c for f, c in self.files.items() if f == path or f.startswith(f"{path}/")}
        if not found:
            raise NotFound("file", path)
        return {f: File(c) for f, c in found.items()}


FULL = Deployment(
    "shop",
    "prod",
    (
        Service(
            "api",
            {
                "build": {"context": "/p/api"},
                "command": ["run", "--cost", "$5"],
                "container_name": "api",
                "entrypoint": None,
                "environment": {"DB": "db://u:<secret:PW>@db", "NOTE": "a$b", "UNSET": None, "ON": True},
                "depends_on": {
                    "db": {"condition": "service_healthy", "required": True},
                    "far": {"condition": "service_started"},
                },
                "deploy": {
                    "replicas": 2,
                    "update_config": {"order": "start-first"},
                    "resources": {"limits": {"cpus": 0.5}},
                },
                "labels": {"team": "$$$"},
                "networks": {"default": None},
                "profiles": ["x"],
                "restart": "always",
                "volumes": [
                    {"type": "bind", "source": "/p/conf/app.conf", "target": "/etc/app.conf", "read_only": True},
                    {"type": "bind", "source": "/p/data", "target": "/data", "bind": {}},
                    {"type": "bind", "source": "/var/log", "target": "/log"},
                ],
                "configs": [{"source": "motd", "target": "/motd"}],
                "secrets": [{"source": "token"}],
                "x-stagecraft": {"drain": "5s"},
            },
            ("local",),
            2,
            Image("shop/api", DIGEST),
        ),
        Service(
            "db",
            {"volumes": [{"type": "volume", "source": "data", "target": "/d", "volume": {}}]},
            ("local",),
            1,
            Image("pg:16"),
        ),
        Service("far", {}, ("other",), 1, Image("busybox", DIGEST)),
    ),
    (LOCAL, Host("other")),
    {
        "networks": {"default": {"name": "shop_default", "ipam": {}}},
        "volumes": {"data": {"name": "shop_data"}, "named": {"name": "mine"}, "out": {"name": "o", "external": True}},
        "configs": {"motd": {"content": "cost: $5"}},
        "secrets": {"token": {"name": "shop_token", "file": "/p/token"}, "env": {"environment": "API_KEY"}},
    },
    Files(conf__app_dot_conf="listen 80\n", token="t0ken"),
    root="/p",
)


def render(deployment: Deployment = FULL, host: str = "local") -> dict[str, Any]:
    return dict(ComposeRenderer().render(deployment).files[host])


def test_the_rendered_compose_file_is_this_one() -> None:
    """Compare with ``golden/compose.json``; read the difference, then copy the new one there if it is meant."""
    golden = Path(__file__).parent / "golden" / "compose.json"

    assert render()["compose.json"].data.decode() == golden.read_text()


def test_each_host_gets_its_own_services_and_files() -> None:
    assert sorted(render()) == ["compose.json", "configs/motd", "env/api.env", "files/conf/app.conf", "secrets/env"]
    assert list(json.loads(render(host="other")["compose.json"].data)["services"]) == ["far"]


def test_a_variable_with_a_secret_stands_in_a_private_file_as_a_reference() -> None:
    file = render()["env/api.env"]

    assert (file.mode, file.secret) == (0o600, True)
    assert dotenv.load(file.data) == {"DB": "db://u:<secret:PW>@db"}
    assert b"secret:" not in render()["compose.json"].data


def test_a_secret_that_is_a_file_is_in_no_draft() -> None:
    assert not any(b"t0ken" in f.data for f in render().values())
    assert render()["secrets/env"].data == b"<secret:API_KEY>"
    assert render()["secrets/env"].secret


def test_a_read_only_file_of_the_project_travels_with_the_release() -> None:
    assert render()["files/conf/app.conf"].data == b"listen 80\n"


def test_rendering_depends_on_nothing_but_the_deployment() -> None:
    assert render() == render()
    assert render(attrs.evolve(FULL, release_id="rel-1")) == render()
    text = b"".join(f.data for f in render().values())
    assert b"/p/" not in text.replace(b'"/p/token"', b"")


def test_the_compose_project_is_stable_and_one_per_environment() -> None:
    assert naming.compose_project("My Shop", "prod") == "my-shop-prod"
    named = ComposeRenderer(Config(project_name="shop")).render(FULL).files["local"]["compose.json"]
    assert json.loads(named.data)["name"] == "shop"


@pytest.mark.parametrize("name", ["a-b", "a.b", "a_b", "a_2d_b"])
def test_variables_of_different_services_differ(name: str) -> None:
    others = {"a-b", "a.b", "a_b", "a_2d_b"} - {name}

    assert naming.variable("F", name) not in {naming.variable("F", other) for other in others}
    assert naming.variable("F", name).replace("_", "").isalnum()
