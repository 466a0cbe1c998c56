"""A registry is named by its address alone, or with an account whose password is a secret by name."""

from __future__ import annotations

from typing import Any

from stagecraft.images.deliveries import Login

ACCOUNT = "{url: 'r.example.com:5000/shop', username: 'robot$$shop', password: REGISTRY_TOKEN}"


def test_an_address_alone_names_no_account(project: Any) -> None:
    config = project.load("project: {name: shop, registry: r.example.com/shop}\n")

    assert (config.registry, config.login) == ("r.example.com/shop", None)
    assert config.to_dict()["project"]["registry"] == "r.example.com/shop"


def test_an_account_is_of_the_registrys_host(project: Any) -> None:
    config = project.load(f"project: {{name: shop, registry: {ACCOUNT}}}\n")

    assert config.registry == "r.example.com:5000/shop"
    assert config.login == Login("r.example.com:5000", "robot$shop", "REGISTRY_TOKEN")


def test_it_is_shown_with_the_secrets_name(project: Any) -> None:
    config = project.load(f"project: {{name: shop, registry: {ACCOUNT}}}\n")

    assert config.to_dict()["project"]["registry"] == {
        "url": "r.example.com:5000/shop",
        "username": "robot$shop",
        "password": "REGISTRY_TOKEN",
    }


def test_a_password_in_its_place_is_refused_and_not_repeated(project: Any) -> None:
    (fault,) = project.faults(
        "project: {name: shop, registry: {url: r.example.com, username: a, password: 'hunter2!'}}\n"
    )

    assert "name of an environment variable" in fault
    assert "hunter2" not in fault


def test_an_account_without_a_password_is_refused(project: Any) -> None:
    (fault,) = project.faults("project: {name: shop, registry: {url: r.example.com, username: a}}\n")

    assert "password" in fault
