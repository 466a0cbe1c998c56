"""Wait until groups are well, or say exactly why they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Unhealthy

from stagecraft_process.diagnosis import diagnose

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft_process.client import Client

_LOOK = 0.05


def wait_well(ctx: Context, client: Client, home: str, keys: Mapping[str, str], timeout: float) -> None:
    """Wait until each group in ``keys`` (service to group) is well.

    Args:
        timeout: Seconds after its start within which an instance without a healthcheck must listen.

    Raises:
        Unhealthy: An instance exited, is unhealthy, or does not listen; with the diagnosis of each that failed.
    """
    waiting = dict(keys)
    moved = ctx.monotonic()
    while waiting:
        groups = {g["key"]: g for g in client.call("status")["groups"]}
        failed = []
        for service, key in sorted(waiting.items()):
            if key not in groups:
                raise ProviderError(f"{key} was ended while it started", hint="does another deploy of it run?")
            states = [_state(i, groups[key]["unit"], timeout) for i in groups[key]["instances"]]
            if groups[key]["unit"]["replicas"] and not states:
                moved = ctx.monotonic()  # what it replaces is still being stopped
                continue
            if "failed" in states:
                failed.append(key)
            elif all(s == "well" for s in states):
                del waiting[service]
            if "created" not in states or "well" in states:
                moved = ctx.monotonic()
        if waiting and not failed and ctx.monotonic() - moved > timeout:
            failed = sorted(waiting.values())  # each waits for another one, and nothing has moved for long
        if failed:
            details = [diagnose(client, home, key) for key in failed]
            names = ", ".join(repr(d.service) for d in details)
            raise Unhealthy(
                f"service {names} did not become healthy: {details[0].reason}",
                hint=details[0].hint,
                detail="\n\n".join(d.text for d in details),
                diagnosis=[d.data for d in details],
            )
        if waiting:
            ctx.progress(f"waiting for {', '.join(sorted(waiting))}")
            ctx.sleep(_LOOK)


def _state(instance: Mapping[str, Any], unit: Mapping[str, Any], timeout: float) -> str:
    import time

    if instance["state"] == "exited":
        finished = instance["exit_code"] == 0 and not unit["listens"]
        return "well" if finished else "failed"
    if instance["state"] == "restarting" or instance["health"] == "unhealthy":
        return "failed"
    if instance["ready"]:
        return "well"
    if instance["state"] == "created":
        return "created"
    late = instance["since"] and time.time() - instance["since"] > timeout + unit["monitor"]
    return "failed" if not unit["checked"] and instance["pid"] and late else "waiting"
