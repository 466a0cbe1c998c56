"""Wait until a container is healthy, and fail as soon as it cannot become so.

A container with a healthcheck (the compose file's, else its image's) is healthy when the engine says so. One without
is healthy when it has run for ``monitor`` seconds. One that is expected to finish is healthy when it exited with 0.
An exit, a restart, or ``unhealthy`` fails at once: what is wrong now is known now, and the old release still serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import Unhealthy

from stagecraft_compose import services, walk
from stagecraft_compose.walk import Steps

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft_compose.engine import Engine

#: Seconds that a container without a healthcheck must run where the compose file sets no ``update_config.monitor``.
MONITOR = 2.0
#: Seconds on top of what the healthcheck itself allows, for slow engines.
SLACK = 30.0
_NANO = 1e-9
#: Seconds to wait for the reason of a SIGKILL.
PAUSE = 0.5


@attrs.frozen
class Expectation:
    """Say when a service's containers count as healthy.

    Attributes:
        monitor: Seconds without a healthcheck.
        timeout: Seconds until the wait is given up; 0 derives it from the healthcheck.
        finishes: Whether exit code 0 is a success.
        completes: Whether only exit code 0 is: others wait for it.
    """

    monitor: float = MONITOR
    timeout: float = 0.0
    finishes: bool = False
    completes: bool = False


def expectation(name: str, definitions: Mapping[str, Mapping[str, Any]], timeout: float = 0.0) -> Expectation:
    """Return what the compose file says about a service; pure."""
    definition = definitions[name]
    waited_for = services.awaited(definitions)
    own = definition.get("x-stagecraft") or {}
    own = own if isinstance(own, Mapping) else {}
    update = (definition.get("deploy") or {}).get("update_config") or {}
    return Expectation(
        monitor=services.seconds(update.get("monitor"), MONITOR),
        timeout=services.seconds(own.get("deploy_timeout"), timeout),
        finishes=services.one_shot(name, definition, waited_for),
        completes=name in waited_for,
    )


def deadline(raw: Mapping[str, Any], expected: Expectation) -> float:
    """Return the seconds a container may take, from its own healthcheck; engine defaults are 30 s, 30 s and 3
    retries.
    """
    if expected.timeout > 0:
        return expected.timeout
    if expected.completes:
        return 3600.0
    check = raw["Config"].get("Healthcheck") or {}
    if not _has_check(raw):
        return expected.monitor + SLACK
    interval = (check.get("Interval") or 0) * _NANO or 30.0
    timeout = (check.get("Timeout") or 0) * _NANO or 30.0
    return float(
        (check.get("StartPeriod") or 0) * _NANO + (interval + timeout) * ((check.get("Retries") or 3) + 1) + SLACK
    )


def verdict(raw: Mapping[str, Any], expected: Expectation, up_for: float) -> tuple[bool, str]:
    """Return whether a container is healthy, and why it never will be (empty while there is hope). Pure."""
    state = raw["State"]
    status = state.get("Status", "")
    if status == "exited" and state.get("ExitCode") == 0 and expected.finishes:
        return True, ""
    if status in ("exited", "dead", "removing"):
        return False, _memory(raw) or f"exited with code {state.get('ExitCode')}"
    if status == "restarting" or (raw.get("RestartCount") or 0) > 0:
        return False, _memory(raw) or "keeps exiting and being restarted"
    if status != "running" or expected.completes:
        return False, ""
    health = (state.get("Health") or {}).get("Status") if _has_check(raw) else None
    if health == "unhealthy":
        return False, "is unhealthy"
    return (health == "healthy" if health else up_for >= expected.monitor), ""


def _killed(raw: Mapping[str, Any]) -> bool:
    """Tell whether a container was ended by SIGKILL and nothing says yet by whom."""
    state = raw["State"]
    return state.get("Status") == "exited" and state.get("ExitCode") == 137 and not state.get("OOMKilled")


def _memory(raw: Mapping[str, Any]) -> str:
    """Say that the kernel ended it for want of memory, if so, with its limit."""
    if not raw["State"].get("OOMKilled"):
        return ""
    limit = (raw.get("HostConfig") or {}).get("Memory") or 0
    return "was killed for lack of memory" + (f" (its limit is {limit / (1 << 20):g} MB)" if limit else "")


def wait(ctx: Context, engine: Engine, service: str, identity: str, expected: Expectation) -> Steps:
    """Wait until a started container is healthy.

    Raises:
        Unhealthy: It will not become so, with the diagnosis.
    """
    begun = ctx.monotonic()
    shown, told = -1, False
    while True:
        raw = engine.raw(identity)
        spent = ctx.monotonic() - begun
        if raw is None:
            raise Unhealthy(f"{service} was removed while it started", hint="see who did: docker events --since 10m")
        good, why = verdict(raw, expected, spent)
        if good:
            return
        if not why and spent > (limit := deadline(raw, expected)):
            why = f"did not become healthy within {limit:g} s"
        if _killed(raw) and not told:
            # that it was for want of memory is told by an event of its own, which may come after the end
            told = True
            yield from walk.pause(ctx, PAUSE)
            continue
        if why:
            from stagecraft_compose import diagnosis

            raise diagnosis.unhealthy(engine, service, raw, why)
        if int(spent) > shown:
            shown = int(spent)
            ctx.progress(
                f"waiting until {service} {_goal(raw, expected)} ({shown} s)", service=service, host=engine.host
            )
        yield


def _goal(raw: Mapping[str, Any], expected: Expectation) -> str:
    if expected.completes:
        return "finishes"
    return "is healthy" if _has_check(raw) else f"has run for {expected.monitor:g} s"


def _has_check(raw: Mapping[str, Any]) -> bool:
    test = (raw["Config"].get("Healthcheck") or {}).get("Test") or []
    return bool(test) and test != ["NONE"]
