"""What a host has of an image is found from what its engine says."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Host, Image

from stagecraft.images.chains import common_prefix, likeliest, make_of, sizes
from stagecraft.images.credentials import is_refusal
from stagecraft.images.find import from_registry, source
from stagecraft.images.pull import megabytes
from stagecraft.images.send import refuse_platform

ID, MANIFEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.mark.parametrize(
    ("wanted", "there", "count"),
    [("abc", "abx", 2), ("abc", "abcd", 3), ("abc", "bc", 0), ("abc", "", 0), ("abc", "axc", 1)],
)
def test_only_an_unbroken_run_from_the_base_counts(wanted: str, there: str, count: int) -> None:
    assert common_prefix(list(wanted), list(there)) == count


def test_the_history_tells_how_large_layers_are_where_it_tells_of_them_all() -> None:
    history = [{"Size": 5}, {"Size": 0}, {"Size": 190}, {"Size": 2}]

    assert sizes(history, ["base", "big", "small"], 197) == [2, 190, 5]
    assert sizes(history, ["base", "small"], 100) == [50, 50]
    assert sizes([], [], 0) == []


def test_images_of_the_same_name_come_first_then_the_newest() -> None:
    listed = [
        {"Id": "old", "Created": 1, "RepoTags": ["postgres:16"]},
        {"Id": "new", "Created": 9, "RepoTags": None},
        {"Id": "same", "Created": 2, "RepoTags": ["shop-prod/api:1"]},
        {"Id": "digest", "Created": 1, "RepoTags": [], "RepoDigests": ["r.example.com:5000/shop/api@sha256:1"]},
    ]
    assert [image["Id"] for image in likeliest(listed, "r.example.com:5000/shop/api:7")] == [
        "same",
        "digest",
        "new",
        "old",
    ]


def test_engines_of_both_kinds_describe_the_same_image_the_same() -> None:
    graph: dict[str, Any] = {
        "Id": ID, "Created": "now", "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": ["a"]},
        "Config": {"Cmd": ["sh"], "Image": "sha256:base", "Hostname": "", "Env": None},
    }  # fmt: skip
    store = {**graph, "Id": MANIFEST, "Config": {"Cmd": ["sh"], "Image": ""}}

    assert make_of(graph) == make_of(store)
    assert make_of(graph) != make_of({**graph, "Config": {"Cmd": ["other"]}})
    assert make_of(graph) != make_of({**graph, "Created": "then"})


@pytest.mark.parametrize(
    ("image", "here", "expected"),
    [
        (Image("postgres:16", MANIFEST), None, True),
        (Image("postgres:16", MANIFEST), {"RepoDigests": [f"postgres@{MANIFEST}"]}, True),
        (Image("docker.io/library/postgres:16", MANIFEST), {"RepoDigests": [f"postgres@{MANIFEST}"]}, True),
        (Image("r.example.com/shop/api", ID), {"RepoDigests": []}, False),
        (Image("r.example.com/shop/api", ID), {"RepoDigests": [f"r.example.com/shop/api@{MANIFEST}"]}, False),
        (Image("shop/api", ID), {"RepoDigests": [f"shop/api@{ID}"]}, False),
        (Image("shop/api", ID), None, False),
        (Image("", ID), None, False),
    ],
)
def test_what_was_built_here_and_not_pushed_is_asked_for_nowhere(image: Image, here: Any, expected: bool) -> None:
    assert from_registry(image, here, "shop") is expected


def test_an_image_is_asked_for_by_digest_without_its_tag() -> None:
    assert source(Image("r:5000/a/b:1", ID)) == f"r:5000/a/b@{ID}"
    assert source(Image("a/b:1")) == "a/b:1"


def test_another_architecture_is_refused_with_the_setting_that_helps() -> None:
    with pytest.raises(ProviderError, match="api is made for arm64, and web-1 runs amd64") as caught:
        refuse_platform("api", {"Architecture": "arm64"}, {"Arch": "amd64", "Os": "linux"}, Host("web-1"))
    assert "build.platforms: [linux/amd64]" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("unauthorized: authentication required", True),
        ("no basic auth credentials", True),
        ("denied: your authorization token has expired. Reauthenticate and try again", True),
        ("manifest unknown", False),
        (f"Get http://r.example.com/v2/a@sha256:{'401' * 21}f: connection refused", False),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", False),
    ],
)
def test_a_registrys_answer_about_credentials_is_known(answer: str, expected: bool) -> None:
    assert is_refusal(answer) is expected


@pytest.mark.parametrize(("size", "shown"), [(5_249_000, "5.2 MB"), (204_000_000, "204 MB"), (99_960_000, "100 MB")])
def test_sizes_read_as_people_write_them(size: int, shown: str) -> None:
    assert megabytes(size) == shown
