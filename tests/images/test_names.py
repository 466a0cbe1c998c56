from __future__ import annotations

import pytest

from stagecraft.images import names


@pytest.mark.parametrize(
    ("name", "repository", "tag", "registry"),
    [
        ("postgres", "postgres", "latest", ""),
        ("postgres:16", "postgres", "16", ""),
        ("shop/api", "shop/api", "latest", ""),
        ("localhost/api:1", "localhost/api", "1", "localhost"),
        ("localhost:5000/api", "localhost:5000/api", "latest", "localhost:5000"),
        ("r.example.com/shop/api:2@sha256:ab", "r.example.com/shop/api", "2", "r.example.com"),
    ],
)
def test_a_name_is_taken_apart(name: str, repository: str, tag: str, registry: str) -> None:
    assert (names.repository(name), names.tag(name), names.registry(name)) == (repository, tag, registry)


def test_the_digest_is_that_of_the_images_own_registry() -> None:
    known = ["mirror.example.com/postgres@sha256:22", "postgres@sha256:11"]

    assert names.digest_in(known, "postgres:16") == "sha256:11"
    assert names.digest_in(known, "docker.io/library/postgres") == "sha256:11"
    assert names.digest_in(known, "mirror.example.com/postgres:16") == "sha256:22"
    assert names.digest_in(known, "redis") == ""


def test_a_content_tag_names_one_image_for_ever() -> None:
    assert names.content_tag("sha256:0d98f845f0772460fb8e") == "0d98f845f077"
