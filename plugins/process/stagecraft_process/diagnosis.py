"""Say why an instance is not well: how it ended, what its healthcheck said, where it listens, what it logged."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from stagecraft_process.logs import tail_of

if TYPE_CHECKING:
    from stagecraft_process.client import Client

LINES = 20


@attrs.frozen
class Diagnosis:
    """Hold what was found: the reason in one clause, the next step, the whole in words, and as data."""

    service: str
    reason: str
    hint: str
    text: str
    data: dict[str, object]


def diagnose(client: Client, home: str, key: str) -> Diagnosis:
    """Look at the worst instance of a group."""
    groups = client.call("status", ports_of=key)["groups"]
    group = next(g for g in groups if g["key"] == key)
    instance = min(group["instances"], key=lambda i: (not i["problem"], bool(i["pid"]), i["ready"], i["index"]))
    service, unit = group["service"], group["unit"]
    lines = tail_of(home, service, instance["name"], LINES)
    reason, hint = _why(service, instance, unit)
    known = {
        "state": instance["state"],
        "exit code": instance["exit_code"],
        "restarts": instance["restarts"],
        "last probe": instance["probe"],
        "its port": ", ".join(f"PORT={own} for container port {target}" for target, own in instance["ports"].items()),
        "listens on": ", ".join(map(str, instance["listens"])),
        "started in": unit["cwd"],
    }
    head = [f"{service} ({instance['name']}): {reason}"]
    facts = [f"  {name}: {value}" for name, value in known.items() if value not in (None, "", 0) or name == "restarts"]
    log = (
        [f"  last {len(lines)} lines of its log:", *(f"    {line}" for line in lines)]
        if lines
        else ["  it logged nothing"]
    )
    data = {"service": service, "instance": instance["name"], "reason": reason, "hint": hint, "log": lines}
    keys = ("state", "health", "exit_code", "restarts", "probe", "ports", "listens")
    return Diagnosis(
        service, reason, hint, "\n".join([*head, *facts, *log]), {**data, **{k: instance[k] for k in keys}}
    )


def _why(service: str, instance: Mapping[str, Any], unit: Mapping[str, Any]) -> tuple[str, str]:
    """Return the reason and the next step."""
    code = instance["exit_code"]
    if instance["problem"]:
        return instance["problem"], _missing(instance["problem"])
    if code is not None and not instance["pid"]:
        end = f"it exited with code {code}" if code >= 0 else f"it was ended by {_name(code)}"
        hint = "the log lines below say why" if code else "a service with published ports must keep running"
        if code == 0 and not unit["listens"]:
            hint = "it ended before what depends on it was ready"
        return end, hint
    mismatch = _mismatch(instance, unit)
    if mismatch and (instance["listens"] or not unit["checked"]):
        return mismatch, "let the service listen on the port in its environment variable PORT"
    if instance["health"] == "unhealthy":
        hint = "run its command by hand in the folder below, with PORT set to the port below"
        return f"its healthcheck fails: {instance['probe']}", hint
    if instance["state"] == "created":
        needed = ", ".join(sorted(unit["depends_on"]))
        return (
            f"it waits for what it depends on: {needed}",
            f"see `stagecraft status` and `stagecraft logs` of {needed}",
        )
    return "it did not become ready in time", "give its healthcheck a start_period, or see its log lines below"


def _mismatch(instance: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    wanted = {int(instance["ports"][str(t)]) for t in unit["listens"]}
    missing = sorted(wanted - set(instance["listens"]))
    if not missing or not instance["pid"]:
        return ""
    others = sorted(set(instance["listens"]) - wanted)
    where = f"it listens on {', '.join(map(str, others))}" if others else "it listens on no port"
    return f"{where}, not on {', '.join(map(str, missing))} as its PORT says"


def _missing(problem: str) -> str:
    if "is not installed" in problem:
        return "install it, or name one that is there; the Dockerfile's RUN steps are not executed by runtime process"
    return "correct the service's `command` or its `build.context`"


def _name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
