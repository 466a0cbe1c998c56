from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_compose import services


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("2h", 7200.0),
        (3, 3.0),
        ("4", 4.0),
        ("1.5s", 1.5),
        (None, 7.0),
        ("", 7.0),
        ("x", 7.0),
    ],
)
def test_durations(text: Any, expected: float) -> None:
    assert services.seconds(text, 7.0) == expected


@pytest.mark.parametrize(
    ("definition", "policy"),
    [
        ({}, ""),
        ({"restart": False}, "no"),
        ({"restart": "on-failure:3"}, "on-failure:3"),
        ({"deploy": {"restart_policy": {"condition": "any"}}}, "always"),
        ({"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 2}}}, "on-failure:2"),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, "no"),
    ],
)
def test_restart_policies(definition: dict[str, Any], policy: str) -> None:
    assert services.restart_policy(definition) == policy


def test_ports_in_both_syntaxes() -> None:
    ports = [
        "8080:80",
        "127.0.0.1:53:53/udp",
        "9000",
        {"target": 1, "published": "2-3", "host_ip": "::1", "protocol": "tcp"},
    ]

    assert services.published({"ports": ports}) == (
        ("", "8080", 80, "tcp"),
        ("127.0.0.1", "53", 53, "udp"),
        ("::1", "2-3", 1, "tcp"),
    )


def test_order_follows_dependencies_and_shared_namespaces() -> None:
    definitions: dict[str, dict[str, Any]] = {
        "a": {"depends_on": {"z": {"condition": "service_started"}}},
        "b": {"network_mode": "service:a"},
        "c": {"volumes_from": ["b:ro", "container:x"]},
        "z": {},
    }

    assert services.in_order(definitions) == ("z", "a", "b", "c")


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.sets(names)))
def test_order_is_total_whatever_the_dependencies(graph: dict[str, set[str]]) -> None:
    definitions = {name: {"depends_on": sorted(others)} for name, others in graph.items()}

    assert sorted(services.in_order(definitions)) == sorted(graph)
