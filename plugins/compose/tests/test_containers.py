from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_compose.containers import Container, Wanted, assign


def container(n: int, fingerprint: str, state: str = "running", **more: Any) -> Container:
    return Container(f"id{n}", f"c{n}", "web", n, state, fingerprint=fingerprint, **more)


def only(wanted: Wanted, *containers: Container) -> Any:
    return assign({"web": wanted}, containers)["web"]


def test_a_running_container_with_the_fingerprint_is_left_alone() -> None:
    found = only(Wanted("new"), container(1, "new"))

    assert found.settled
    assert [c.id for c in found.serving] == ["id1"]


def test_another_fingerprint_means_a_new_container() -> None:
    found = only(Wanted("new"), container(1, "old"))

    assert (found.missing, [c.id for c in found.old]) == (1, ["id1"])


def test_a_kept_container_with_the_fingerprint_is_used_again() -> None:
    found = only(Wanted("new"), container(1, "new", "exited"), container(2, "old"))

    assert (found.missing, [c.id for c in found.ready], [c.id for c in found.old]) == (0, ["id1"], ["id2"])


def test_an_unhealthy_container_is_replaced_even_with_the_fingerprint() -> None:
    assert only(Wanted("new"), container(1, "new", health="unhealthy")).missing == 1


def test_a_restarting_one_too() -> None:
    assert only(Wanted("new"), container(1, "new", "restarting")).missing == 1


def test_a_finished_one_shot_is_not_run_again() -> None:
    done = container(1, "new", "exited", exit_code=0)

    assert only(Wanted("new", finishes=True), done).settled
    assert not only(Wanted("new", finishes=True), attrs.evolve(done, exit_code=1)).settled


def test_a_service_that_nobody_wants_is_stopped() -> None:
    found = assign({}, [container(1, "old")])["web"]

    assert [c.id for c in found.old] == ["id1"]


states = st.sampled_from(["created", "running", "exited", "restarting", "dead", "paused", "removing"])
found = st.lists(
    st.tuples(st.sampled_from(["new", "old", ""]), states, st.sampled_from(["healthy", "unhealthy", "none"]))
)


@given(found, st.integers(0, 4))
def test_every_container_has_one_place_and_the_count_is_right(raw: list[tuple[str, str, str]], replicas: int) -> None:
    containers = [container(n, f, s, health=h) for n, (f, s, h) in enumerate(raw)]
    result = only(Wanted("new", replicas), *containers)
    placed = [c.id for c in (*result.serving, *result.ready, *result.others)]

    assert sorted(placed) == sorted(c.id for c in containers)
    assert len(result.serving) + len(result.ready) + result.missing == replicas
    assert all(c.fingerprint == "new" for c in (*result.serving, *result.ready))
