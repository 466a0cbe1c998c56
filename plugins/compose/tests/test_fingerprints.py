from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from stagecraft_compose.fingerprints import fingerprints
from stagecraft_hookspecs.values import File

DOCUMENT: dict[str, Any] = {
    "name": "shop-prod",
    "services": {
        "api": {
            "image": "shop-prod/api:01",
            "command": ["run"],
            "depends_on": {"db": {"condition": "service_healthy"}},
            "deploy": {"resources": {"limits": {"cpus": 1}}, "update_config": {"delay": "1s"}},
            "env_file": ["env/api.env"],
            "labels": {"team": "a", "io.stagecraft.release": "${X:-}", "io.stagecraft.image": "shop/api@1"},
            "networks": {"default": None},
            "configs": [{"source": "motd"}],
            "volumes": [{"type": "bind", "source": "./files/app.conf", "target": "/c", "read_only": True}],
        },
        "db": {"image": "pg", "labels": {}, "volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
        "side": {"image": "x", "labels": {}, "network_mode": "service:api"},
    },
    "networks": {"default": {}},
    "volumes": {"data": {}},
    "configs": {"motd": {"file": "./configs/motd"}},
}
CONTENTS = {"env/api.env": b'A="1"\n', "files/app.conf": b"listen", "configs/motd": b"hi", "env/db.env": b""}
FILES = {path: File(data) for path, data in CONTENTS.items()}
PLACES = {"ROOT": "/p"}
IMAGES = {"api": "sha256:1", "db": "sha256:2", "side": "sha256:3"}
BEFORE = fingerprints(DOCUMENT, FILES, IMAGES, PLACES)


def changed(
    document: dict[str, Any] = DOCUMENT, files: dict[str, File] = FILES, images: dict[str, str] = IMAGES
) -> set[str]:
    now = fingerprints(document, files, images, PLACES)
    return {name for name in now if now[name] != BEFORE[name]}


def edited(edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    return document


@pytest.mark.parametrize(
    ("edit", "services"),
    [
        (lambda d: d["services"]["api"].update(command=["other"]), {"api", "side"}),
        (lambda d: d["services"]["api"]["labels"].update(team="b"), {"api", "side"}),
        (lambda d: d["services"]["api"]["deploy"]["resources"]["limits"].update(cpus=2), {"api", "side"}),
        (lambda d: d["volumes"].update(data={"name": "other"}), {"db"}),
        (lambda d: d["networks"].update(default={"name": "other"}), {"api", "side"}),
        (lambda d: d["services"]["api"]["depends_on"]["db"].update(restart=True), {"api", "side"}),
        # these replace nothing
        (lambda d: d["services"]["api"].pop("depends_on"), set()),
        (lambda d: d["services"]["api"]["deploy"]["update_config"].update(delay="9s"), set()),
        (lambda d: d["services"]["api"]["labels"].update({"io.stagecraft.release": "other"}), set()),
        (lambda d: d["services"]["api"].update(image="renamed"), set()),
    ],
)
def test_what_replaces_a_service(edit: Callable[[dict[str, Any]], None], services: set[str]) -> None:
    assert changed(edited(edit)) == services


def test_files_variables_and_images_count_by_content() -> None:
    assert changed(files={**FILES, "env/api.env": File(b'A="2"\n')}) == {"api", "side"}
    assert changed(files={**FILES, "configs/motd": File(b"ho")}) == {"api", "side"}
    assert changed(files={**FILES, "files/app.conf": File(b"x")}) == {"api", "side"}
    assert changed(images={**IMAGES, "db": "sha256:9"}) == {"db"}


def test_a_service_that_restarts_with_another_is_replaced_with_it() -> None:
    document = edited(lambda d: d["services"]["api"]["depends_on"]["db"].update(restart=True))
    before = fingerprints(document, FILES, IMAGES, PLACES)
    after = fingerprints(document, FILES, {**IMAGES, "db": "sha256:9"}, PLACES)

    assert {name for name in after if after[name] != before[name]} == {"api", "db", "side"}
