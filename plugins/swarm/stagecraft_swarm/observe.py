"""Observe: the tasks of one host's node, as a manager of the swarm records them; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.runtime import Instance

from stagecraft_swarm import engine, naming, verdict
from stagecraft_swarm.site import label

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

_STATES = {"running": "running", "starting": "running", "complete": "exited", "failed": "exited", "shutdown": "exited"}
_DEAD = ("rejected", "orphaned", "remove")


def observe(site: Site) -> tuple[Instance, ...]:
    """Return the host's instances: what runs or is to run, what finished, and one ``missing`` per task that is not there.

    Tasks that the swarm can place nowhere are shown on the host that leads.
    """
    mine = site.membership(site.host)
    if mine.get("LocalNodeState") != "active":
        return ()
    manager, node = site.manager(), str(mine.get("NodeID") or "")
    services = {str(s["ID"]): s for s in site.services(manager)}
    tasks = [t for t in site.tasks(manager) if str(t.get("ServiceID")) in services]
    homeless = site.leader().name == site.host.name and [t for t in tasks if not t.get("NodeID")]
    here = [t for t in tasks if t.get("NodeID") == node] + list(homeless or ())
    shown = [t for t in here if _shown(t, here)]
    found = [_instance(site.host, t, services[str(t["ServiceID"])], tasks) for t in shown]
    found += _missing(site, manager, node, services, found)
    return tuple(sorted(found, key=lambda i: (i.service, i.id)))


def _shown(task: Mapping[str, Any], here: Sequence[Mapping[str, Any]]) -> bool:
    if task.get("DesiredState") in ("running", "ready") or verdict.state(task) in ("running", "starting"):
        return True
    same = [t for t in here if (t.get("ServiceID"), t.get("Slot")) == (task.get("ServiceID"), task.get("Slot"))]
    return verdict.state(task) == "complete" and same[-1] is task


def _instance(
    host: Host, task: Mapping[str, Any], service: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]
) -> Instance:
    status, state = task.get("Status") or {}, verdict.state(task)
    container = status.get("ContainerStatus") or {}
    wanted = label({"Spec": service["Spec"]["TaskTemplate"]}, naming.FINGERPRINT) == label(task, naming.FINGERPRINT)
    slot = (task.get("ServiceID"), task.get("Slot"), task.get("NodeID"))
    release = label(task, naming.RELEASE)
    ended = [t for t in tasks if (t.get("ServiceID"), t.get("Slot"), t.get("NodeID")) == slot and t is not task]
    return Instance(
        service=label(task, naming.SERVICE),
        host=host.name,
        id=str(container.get("ContainerID") or task["ID"]),
        state="dead" if state in _DEAD else _STATES.get(state, "created"),
        health=_health(task, state),
        release_id=release,
        active=wanted and (task.get("DesiredState") in ("running", "ready") or state == "complete"),
        image=label(task, naming.IMAGE),
        ports=_ports(task, service),
        exit_code=int(container.get("ExitCode") or 0) if state in ("complete", "failed", "shutdown") else None,
        restarts=sum(verdict.state(t) in verdict.FAILED and label(t, naming.RELEASE) == release for t in ended),
        since=str(status.get("Timestamp") or "") if state == "running" else "",
    )


def _health(task: Mapping[str, Any], state: str) -> str:
    check = ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("Healthcheck") or {}
    if not check.get("Test") or check["Test"] == ["NONE"]:
        return "none"
    return {"running": "healthy", "starting": "starting", "failed": "unhealthy"}.get(state, "none")


def _ports(task: Mapping[str, Any], service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the task's own node publishes for it, and what every node does for its service."""
    own = ((task.get("Status") or {}).get("PortStatus") or {}).get("Ports") or ()
    ingress = (service.get("Endpoint") or {}).get("Ports") or ()
    found = {
        f"0.0.0.0:{p['PublishedPort']}->{p['TargetPort']}/{p.get('Protocol', 'tcp')}"
        for p in (*own, *(p for p in ingress if p.get("PublishMode") == "ingress"))
        if p.get("PublishedPort")
    }
    return tuple(sorted(found))


def _missing(
    site: Site, manager: Host, node: str, services: Mapping[str, Mapping[str, Any]], found: list[Instance]
) -> list[Instance]:
    """Return one instance for each global service that may run on the node and does not."""
    every = [s for s in services.values() if "Global" in (s["Spec"].get("Mode") or {})]
    if not every:
        return []
    api = site.api(manager)
    raw = engine.unless_gone(manager.name, "inspect a node", lambda: api.inspect_node(node)) or {}
    labels = (raw.get("Spec") or {}).get("Labels") or {}
    there = {i.service for i in found if i.active}
    names = (label({"Spec": s["Spec"]["TaskTemplate"]}, naming.SERVICE) for s in every)
    return [
        Instance(name, site.host.name, "", "missing")
        for name in sorted(names)
        if name and name not in there and labels.get(naming.node_label(site.stack, name)) == "true"
    ]
