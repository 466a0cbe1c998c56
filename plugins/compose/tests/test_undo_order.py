"""What undo stops before it starts anything, and in which order services go back, without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose import undo
from stagecraft_compose.containers import Assignment, Container, Wanted
from stagecraft_compose.memory import Unit


def container(name: str, service: str, fingerprint: str, state: str = "running", **more: Any) -> Container:
    return Container(name, name, service, 1, state, fingerprint=fingerprint, **more)


WANTED = {"api": Wanted("old"), "web": Wanted("old")}


def doomed(stopping: set[str], *containers: Container) -> set[str]:
    return {c.id for c in undo.doomed(WANTED, containers, stopping)}


def test_nothing_stops_where_nothing_was_begun() -> None:
    assert doomed(set(), container("a", "api", "old"), container("w", "web", "old")) == set()


def test_a_new_container_beside_a_complete_old_service_goes_at_once() -> None:
    assert doomed(set(), container("a", "api", "old"), container("a2", "api", "new")) == {"a2"}


def test_a_new_container_in_place_of_the_old_stays_until_the_old_may_start() -> None:
    assert doomed(set(), container("w", "web", "old", "exited"), container("w2", "web", "new")) == set()


def test_what_is_stopping_is_stopped_to_the_end_together_with_what_took_its_place() -> None:
    found = doomed({"w"}, container("w", "web", "old"), container("w2", "web", "new"), container("a", "api", "old"))

    assert found == {"w", "w2"}


@pytest.mark.parametrize(
    ("released", "asked", "volumes", "beside"),
    [
        ("start-first", None, {}, True),
        ("start-first", "start-first", {}, True),
        ("start-first", "stop-first", {}, False),
        ("start-first", None, {"/data": "v"}, False),
        ("stop-first", None, {}, False),
        ("stop-first", "start-first", {}, False),  # what ruled it out still does
    ],
)
def test_the_order_back(released: str, asked: str | None, volumes: dict[str, str], beside: bool) -> None:
    config = {"deploy": {"rollback_config": {"order": asked}}} if asked else {}
    new = container("n", "web", "new", volumes=volumes)

    assert undo.beside(Unit("f", 1, order=released, definition=config), Assignment("web", others=(new,))) is beside
