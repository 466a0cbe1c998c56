"""When a service of the swarm counts as converged, and when it never will."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from stagecraft_swarm.diagnosis import was_unhealthy
from stagecraft_swarm.verdict import Wanted, judge

WANTS = Wanted("new", "rel-2", 2)


def task(state: str, desired: str = "running", mark: str = "new", number: int = 1, **status: Any) -> dict[str, Any]:
    labels = {"io.stagecraft.fingerprint": mark, "io.stagecraft.release": "rel-2" if mark == "new" else "rel-1"}
    spec = {"ContainerSpec": {"Labels": labels}}
    return {"ID": f"t{number}", "DesiredState": desired, "Spec": spec, "Status": {"State": state, **status}}


UP = [task("running", number=1), task("running", number=2)]


def test_converged_is_all_up_and_the_update_complete() -> None:
    assert judge({}, UP, WANTS, (), strict=True).done
    assert not judge({}, UP[:1], WANTS, (), strict=True).done
    assert not judge({"UpdateStatus": {"State": "updating"}}, UP, WANTS, (), strict=True).done
    assert not judge({}, [*UP, task("running", mark="old")], WANTS, (), strict=True).done
    assert judge({}, [*UP, task("running", "shutdown", mark="old")], WANTS, (), strict=True).done


def test_without_a_healthcheck_tasks_must_have_run_for_a_while() -> None:
    blind = attrs.evolve(WANTS, checked=False)
    assert not judge({}, UP, blind, ("t1",), strict=True).done
    assert judge({}, UP, blind, ("t1", "t2"), strict=True).done


@pytest.mark.parametrize(
    ("ill", "why"),
    [
        (
            task("failed", "shutdown", Err="task: non-zero exit (3)", ContainerStatus={"ExitCode": 3}),
            "exited with code 3",
        ),
        (task("rejected", "shutdown", Err="No such image: x"), "was rejected by its node: No such image: x"),
        (task("failed", "shutdown", Err="task: non-zero exit (143): dockerexec: unhealthy container"), "is unhealthy"),
        (task("complete", "shutdown", ContainerStatus={"ExitCode": 0}), "exited with code 0"),
    ],
)
def test_one_failed_task_is_enough(ill: dict[str, Any], why: str) -> None:
    found = judge({}, [ill, *UP], WANTS, (), strict=True)
    assert (found.done, found.why, found.task) == (False, why, ill)
    assert judge({}, [ill, *UP], attrs.evolve(WANTS, tolerated=1), (), strict=True).done
    assert judge({}, [ill, *UP], WANTS, (), strict=False).done, "an undo waits through failures"


@pytest.mark.parametrize("state", ["paused", "rollback_started", "rollback_completed"])
def test_an_update_that_the_swarm_gave_up_has_failed(state: str) -> None:
    found = judge({"UpdateStatus": {"State": state, "Message": "because"}}, UP[:1], WANTS, (), strict=True)
    assert found.why == "was given up by the swarm: because"


def test_a_task_that_waits_for_a_port_of_a_stopping_one_is_no_failure() -> None:
    waiting = task("pending", Err="host-mode port already in use on 1 node")
    stopping = task("running", "shutdown", mark="old", number=9)
    assert judge({}, [stopping, waiting], WANTS, (), strict=True).waits == "0 of 2 tasks run"
    assert (
        judge({}, [waiting], WANTS, (), strict=True).waits
        == "0 of 2 tasks run: host-mode port already in use on 1 node"
    )


def test_what_finishes_is_done_when_it_ended_well() -> None:
    once = Wanted("new", "rel-2", 1, finishes=True)
    assert judge({}, [task("complete", "shutdown")], once, (), strict=True).done
    assert judge({}, [task("failed", "shutdown", ContainerStatus={"ExitCode": 1})], once, (), strict=True).why
    assert not judge({}, [task("running")], once, (), strict=True).done


def test_an_exit_is_not_taken_for_ill_health() -> None:
    """Whatever ended is unhealthy to the engine; only a failed probe of what was then stopped says why."""
    ill = {"Status": "unhealthy", "Log": [{"ExitCode": 1}]}
    assert was_unhealthy({"ExitCode": 0, "Health": ill})
    assert was_unhealthy({"ExitCode": 137, "Health": ill})
    assert not was_unhealthy({"ExitCode": 3, "Health": ill})
    assert not was_unhealthy({"ExitCode": 0, "Health": {"Status": "unhealthy", "Log": [{"ExitCode": 0}]}})
    assert not was_unhealthy({"ExitCode": 0, "Health": {"Status": "unhealthy"}})
