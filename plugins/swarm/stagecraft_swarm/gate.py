"""Wait until services have converged, and fail as soon as one cannot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_swarm import diagnosis, verdict
from stagecraft_swarm.site import label
from stagecraft_swarm.verdict import Wanted

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

#: Seconds between two looks at the swarm.
TICK = 0.25
#: Seconds after which a task that no node can take is not waited for.
PLACING = 10.0


class Watch:
    """Know since when each task has run, by our own clock: those of hosts may differ."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._since: dict[str, float] = {}
        self._pending: dict[str, float] = {}

    def homeless(self, task: Mapping[str, Any] | None) -> float:
        """Return for how many seconds a task has waited for a node; 0 for one that has one."""
        if task is None or verdict.state(task) != "pending":
            return 0.0
        now = self._site.ctx.monotonic()
        return now - self._pending.setdefault(str(task["ID"]), now)

    def settled(self, tasks: Collection[Mapping[str, Any]], monitor: float) -> set[str]:
        """Return the ids of the tasks that have run for ``monitor`` seconds."""
        now = self._site.ctx.monotonic()
        running = [str(t["ID"]) for t in tasks if verdict.state(t) == "running"]
        return {i for i in running if now - self._since.setdefault(i, now) >= monitor}


def wait(
    site: Site, manager: Host, wanted: Mapping[str, Wanted], changed: Collection[str], *, strict: bool = True
) -> None:
    """Wait until every service has converged.

    Args:
        changed: Services that are being replaced; of the others a task that runs is well, and old failures do not count.
        strict: Whether a failed task ends the wait.

    Raises:
        Unhealthy: A service will not converge, or not within its time, with the diagnosis.
    """
    from stagecraft_swarm import naming

    begun, watch, left, shown = site.ctx.monotonic(), Watch(site), dict(wanted), ""
    while True:
        services = {label({"Spec": s["Spec"]["TaskTemplate"]}, naming.SERVICE): s for s in site.services(manager)}
        tasks: dict[str, list[Mapping[str, Any]]] = {}
        for task in site.tasks(manager):
            tasks.setdefault(label(task, naming.SERVICE), []).append(task)
        spent = site.ctx.monotonic() - begun
        waits = []
        for name, wants in sorted(left.items()):
            own = tasks.get(name, [])
            settled = watch.settled(own, wants.monitor if name in changed else 0.0)
            found = verdict.judge(services.get(name), own, wants, settled, strict=strict and name in changed)
            if found.done:
                del left[name]
                continue
            why = found.why
            if not why and spent > wants.timeout:
                why = f"did not converge within {wants.timeout:g} s ({found.waits})"
            if not why and strict and watch.homeless(found.task) > PLACING and ":" in found.waits:
                why = f"cannot be placed: {found.waits.partition(': ')[2]}"
            if not why and strict and name in changed and spent > PLACING and not verdict.mine(own, wants):
                why = "cannot be placed: no suitable node, none of its hosts meets the constraints of the compose file"
            if why:
                raise diagnosis.unhealthy(site, name, why, found.task, own)
            waits.append(f"{name}: {found.waits}")
        if not left:
            return
        text = "; ".join(waits)
        if text != shown:
            shown = text
            site.ctx.progress(f"waiting until {text}", service=",".join(sorted(left)), host=site.host.name)
        site.ctx.sleep(TICK)
