"""When a container counts as healthy, and what is said when it does not: from what engines answered, recorded."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose import diagnosis, gate
from stagecraft_compose.gate import Expectation, verdict

ID = "f" * 64


def raw(state: str = "running", *, check: bool = True, health: str = "starting", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"Status": state, "ExitCode": 0, "OOMKilled": False, "Error": ""}
    if check:
        log = [{"ExitCode": 1, "Output": "connection refused\n"}]
        found["Health"] = {"Status": health, "Log": log}
    config = (
        {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": int(1e9), "Retries": 3}}
        if check
        else {}
    )
    base = {"Id": ID, "Name": "/shop-prod-api-1", "RestartCount": 0, "HostConfig": {}}
    restarts = more.pop("restarts", 0)
    return {**base, "State": {**found, **more}, "Config": config, "RestartCount": restarts}


@pytest.mark.parametrize(
    ("container", "expected", "up_for", "result"),
    [
        (raw(), Expectation(), 99, (False, "")),
        (raw(health="healthy"), Expectation(), 0, (True, "")),
        (raw(health="unhealthy"), Expectation(), 0, (False, "is unhealthy")),
        (raw("exited", ExitCode=3), Expectation(), 0, (False, "exited with code 3")),
        (raw("exited", ExitCode=0), Expectation(), 0, (False, "exited with code 0")),
        (raw("exited", ExitCode=137, OOMKilled=True), Expectation(), 0, (False, "was killed for lack of memory")),
        (raw("exited", ExitCode=0), Expectation(finishes=True), 0, (True, "")),
        (raw("exited", ExitCode=1), Expectation(finishes=True), 0, (False, "exited with code 1")),
        (raw("running", check=False), Expectation(finishes=True, completes=True), 99, (False, "")),
        (raw("restarting"), Expectation(), 0, (False, "keeps exiting and being restarted")),
        (raw(restarts=1), Expectation(), 0, (False, "keeps exiting and being restarted")),
        (raw(check=False), Expectation(monitor=2), 1.9, (False, "")),
        (raw(check=False), Expectation(monitor=2), 2.0, (True, "")),
        (raw("created"), Expectation(), 0, (False, "")),
    ],
)
def test_the_verdict(container: dict[str, Any], expected: Expectation, up_for: float, result: tuple[bool, str]) -> None:
    assert verdict(container, expected, up_for) == result


def test_the_wait_is_derived_from_the_healthcheck_unless_it_is_given() -> None:
    slow = raw()
    slow["Config"]["Healthcheck"] = {
        "Test": ["CMD", "x"],
        "StartPeriod": int(60e9),
        "Interval": int(5e9),
        "Timeout": int(2e9),
    }

    assert gate.deadline(slow, Expectation()) == 60 + (5 + 2) * 4 + gate.SLACK
    assert gate.deadline(slow, Expectation(timeout=9)) == 9
    assert gate.deadline(raw(check=False), Expectation(monitor=5)) == 5 + gate.SLACK


def test_what_is_expected_stands_in_the_compose_file() -> None:
    definitions = {
        "a": {"deploy": {"update_config": {"monitor": "7s"}}, "x-stagecraft": {"deploy_timeout": "2m"}},
        "job": {},
        "b": {"depends_on": {"job": {"condition": "service_completed_successfully"}}},
    }

    assert gate.expectation("a", definitions) == Expectation(7.0, 120.0)
    assert gate.expectation("b", definitions, 33.0) == Expectation(gate.MONITOR, 33.0)
    assert gate.expectation("job", definitions) == Expectation(gate.MONITOR, 0.0, finishes=True, completes=True)


def diagnosed(container: dict[str, Any], log: tuple[str, ...] = (), listening: tuple[int, ...] | None = None) -> Any:
    return diagnosis.collect("api", "local", container, "is unhealthy", log, listening)


def test_the_diagnosis_in_words() -> None:
    container = raw(health="unhealthy")
    container["HostConfig"] = {"PortBindings": {"8000/tcp": [{}]}}
    container["Config"]["ExposedPorts"] = {"8000/tcp": {}, "9000/tcp": {}}

    assert diagnosis.text(diagnosed(container, ("starting", "oops"), (8000,))).splitlines() == [
        "container: shop-prod-api-1 (running, restarted 0 times, health: unhealthy)",
        "last probe: exit code 1: connection refused",
        "ports: published 8000; the image exposes 8000, 9000; listening: 8000",
        "last log lines of api:",
        "  starting",
        "  oops",
    ]


def test_of_a_long_traceback_the_end_is_shown() -> None:
    data = diagnosed(raw(health="unhealthy"))
    data["probe"]["output"] = "\n".join(f"line {n}" for n in range(40))
    shown = diagnosis.text(data)
    assert "last probe: exit code 1: …\nline 32\n" in shown
    assert "line 39" in shown
    assert "line 31" not in shown


def test_the_diagnosis_as_data_can_be_written_as_json() -> None:
    import json

    data = json.loads(json.dumps(diagnosed(raw("exited", ExitCode=137, OOMKilled=True, check=False))))

    assert (data["exit_code"], data["oom_killed"], data["probe"], data["log"]) == (137, True, None, [])


@pytest.mark.parametrize(
    ("container", "listening", "words"),
    [
        (raw("exited", ExitCode=137, OOMKilled=True), None, "raise the memory limit of api"),
        (raw("exited", ExitCode=127, check=False), None, "the command of api is not in the image"),
        (raw("exited", ExitCode=0, check=False), None, 'a service that is meant to finish says `restart: "no"`'),
        (raw("exited", ExitCode=1, check=False), None, "start it alone with `docker run --rm "),
        (raw(health="unhealthy"), (), "its healthcheck fails: sh -c 'curl -f localhost'"),
    ],
)
def test_the_hint_names_the_next_step(container: dict[str, Any], listening: tuple[int, ...] | None, words: str) -> None:
    assert words in diagnosed(container, listening=listening)["hint"]


def test_a_probe_whose_command_is_missing_is_explained() -> None:
    container = raw(health="unhealthy")
    container["State"]["Health"]["Log"] = [{"ExitCode": 127, "Output": "sh: curl: not found"}]

    assert diagnosed(container)["hint"] == "the healthcheck's command is not in the image: sh -c 'curl -f localhost'"


def test_a_port_nobody_listens_on_is_the_first_suspicion() -> None:
    container = raw(health="unhealthy")
    container["HostConfig"] = {"PortBindings": {"80/tcp": [{}]}}

    assert diagnosed(container, listening=())["hint"] == (
        "the compose file publishes container port 80, but api listens on no port at all"
    )
