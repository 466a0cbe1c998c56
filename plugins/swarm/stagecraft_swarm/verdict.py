"""Judge whether a service of the swarm is what a release wants of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from stagecraft_swarm import naming
from stagecraft_swarm.site import label

FAILED = ("failed", "rejected", "orphaned")


@attrs.frozen
class Wanted:
    """Say what a release wants of one service.

    Attributes:
        fingerprint, release: Labels of the tasks that count.
        count: How many tasks.
        finishes: Whether they are meant to end.
        checked: Whether the compose file has a healthcheck: then a task that runs is healthy.
        monitor: Seconds that a task without one must have run.
        timeout: Seconds for all of it.
        tolerated: How many tasks may fail.
    """

    fingerprint: str
    release: str
    count: int
    finishes: bool = False
    checked: bool = True
    monitor: float = 0.0
    timeout: float = 60.0
    tolerated: int = 0


@attrs.frozen
class Verdict:
    """Say whether a service has converged; if not, what it waits for; if it never will, why and which task shows it."""

    done: bool
    waits: str = ""
    why: str = ""
    task: Mapping[str, Any] | None = None


def wanted(document: Mapping[str, Any]) -> dict[str, Wanted]:
    """Return what a stored stack wants of each of its services."""
    found = {}
    for name, service in document["services"].items():
        own, labels = document[naming.OWN]["services"][name], service["labels"]
        found[name] = Wanted(
            labels[naming.FINGERPRINT],
            labels[naming.RELEASE],
            int(own["count"]),
            bool(own["finishes"]),
            bool(own["checked"]),
            float(own["monitor"]),
            float(own["timeout"]),
            int(own["tolerated"]),
        )
    return found


def mine(tasks: Sequence[Mapping[str, Any]], wants: Wanted) -> list[Mapping[str, Any]]:
    """Return the tasks that are the release's."""
    mark = (wants.fingerprint, wants.release)
    return [t for t in tasks if (label(t, naming.FINGERPRINT), label(t, naming.RELEASE)) == mark]


def state(task: Mapping[str, Any]) -> str:
    """Return a task's state, as the swarm calls it."""
    return str((task.get("Status") or {}).get("State") or "new")


def judge(
    service: Mapping[str, Any] | None,
    tasks: Sequence[Mapping[str, Any]],
    wants: Wanted,
    settled: Collection[str],
    *,
    strict: bool,
) -> Verdict:
    """Judge one service.

    Args:
        service: As the swarm has it.
        tasks: All of the service's tasks.
        settled: Ids of tasks that have run for ``monitor`` seconds.
        strict: Whether a failed task, or an update that the swarm gave up, ends the wait.
    """
    own = mine(tasks, wants)
    update = str(((service or {}).get("UpdateStatus") or {}).get("State") or "completed")
    failed = [t for t in own if state(t) in FAILED or (state(t) == "complete" and not wants.finishes)]
    if (strict or wants.finishes) and len(failed) > wants.tolerated:
        return Verdict(False, why=_why(failed[-1]), task=failed[-1])
    if strict and (update == "paused" or update.startswith("rollback")):
        message = str((service or {}).get("UpdateStatus", {}).get("Message") or f"its update is {update}")
        return Verdict(False, why=f"was given up by the swarm: {message}", task=failed[-1] if failed else None)
    if wants.finishes:
        ended = sum(state(t) == "complete" for t in own)
        return Verdict(ended >= wants.count, f"{ended} of {wants.count} finished")
    up = [t for t in own if t.get("DesiredState") == "running" and state(t) == "running"]
    well = sum(wants.checked or str(t["ID"]) in settled for t in up)
    others = [t for t in tasks if t.get("DesiredState") == "running" and t not in own]
    if well >= wants.count and not others and (update == "completed" or not strict):
        return Verdict(True)
    placed = [t for t in own if t.get("DesiredState") in ("running", "ready") and t not in up]
    unplaced = [t for t in placed if state(t) == "pending" and (t.get("Status") or {}).get("Err")]
    # what an old task still holds, such as a port, is free once it has stopped
    stopping = any(t.get("DesiredState") == "shutdown" and state(t) == "running" for t in tasks)
    waits = f"{well} of {wants.count} tasks run"
    if unplaced and not stopping:
        return Verdict(False, f"{waits}: {unplaced[-1]['Status']['Err']}", task=unplaced[-1])
    return Verdict(False, waits, task=placed[-1] if placed else None)


def _why(task: Mapping[str, Any]) -> str:
    status = task.get("Status") or {}
    error = " ".join(str(status.get("Err") or "").split())
    if "unhealthy container" in error:
        return "is unhealthy"
    if state(task) == "rejected":
        return f"was rejected by its node: {error or 'no reason given'}"
    code = (status.get("ContainerStatus") or {}).get("ExitCode") or 0
    exited = f"exited with code {code}"
    return (
        exited if error in ("", f"task: non-zero exit ({code})") or state(task) == "complete" else f"{exited}: {error}"
    )
