"""The five steps of the runtime, each a conversation with the supervisor."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, Refused
from stagecraft_hookspecs.runtime import Instance, Order, Prepared

from stagecraft_process import layout, releases, snapshot
from stagecraft_process.client import Client, connect, ensure, inherited
from stagecraft_process.lints import is_local
from stagecraft_process.render import UNITS
from stagecraft_process.waiting import wait_well

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.runtime import Target
    from stagecraft_hookspecs.values import Host

_LOOK = 0.05


def ship(ctx: Context, target: Target) -> dict[str, tuple[dict[str, Any], str]]:
    """Store the release's filled units, 0600, and return each with its snapshot's digest.

    Raises:
        ProviderError: A snapshot is not on this machine.
    """
    home = _home(ctx, target.host)
    images = {s.name: s.image.digest if s.image else "" for s in target.deployment.services}
    filled = {}
    for name, unit in sorted(json.loads(target.files[UNITS].data).items()):
        if target.only and name not in target.only:
            continue
        if not snapshot.complete(home, images[name]):
            raise ProviderError(
                f"the snapshot of service {name!r} ({images[name] or 'no digest'}) is not on this machine",
                hint="deploy again with a build; a rollback needs a release whose snapshots are still kept",
            )
        filled[name] = releases.fill_unit(ctx, home, unit, images[name]), images[name]
        releases.keep(ctx, home, target.deployment.release_id, name, filled[name][0])
    return filled


def prepare(ctx: Context, target: Target, start_timeout: float) -> Prepared:
    """Start the new instances beside the old and wait until they are well; see ``Runtime.prepare``."""
    home = _home(ctx, target.host)
    release = target.deployment.release_id
    services = {
        name: {"unit": unit, "digest": digest, "fingerprint": fingerprint(unit)}
        for name, (unit, digest) in ship(ctx, target).items()
    }
    held = [s for s in services if (p := target.policies.get(s)) and p.order is Order.STOP_FIRST]
    with ensure(home) as client:
        answer = client.call("prepare", release=release, services=services, base=inherited(), held=held)
        started = [s for s in answer["changed"] if s not in held or _runs(client, s, release)]
        keys = {s: f"{s}@{release}" for s in started}
        serving = client.call("status")["active"]
        keys |= {s: serving[s] for s in answer["unchanged"] if s in serving}
        wait_well(ctx, client, home, keys, start_timeout)
    return Prepared(tuple(answer["changed"]), tuple(answer["unchanged"]))


def switch(ctx: Context, target: Target, start_timeout: float) -> None:
    """Let the new instances serve; see ``Runtime.switch``."""
    home = _home(ctx, target.host)
    release = target.deployment.release_id
    with ensure(home) as client:
        status = client.call("status")
        groups = {g["service"]: g for g in status["groups"] if g["release"] == release and not g["draining"]}
        groups = {s: g for s, g in groups.items() if not target.only or s in target.only}
        present = {s.name for s in target.deployment.on(target.host.name)}
        removed = [] if target.only else sorted(set(status["active"]) - present)
        now = sorted(s for s, g in groups.items() if g["run"])
        wait_well(ctx, client, home, {s: groups[s]["key"] for s in now}, start_timeout)
        client.call("switch", release=release, services=now, removed=removed)
        for service in _by_dependency({s: g["unit"] for s, g in groups.items() if s not in now}):
            ctx.progress(f"replacing {service}", service=service, host=target.host.name)
            client.call("replace", key=f"{service}@{release}", stop=True, record=release)
            wait_well(ctx, client, home, {service: f"{service}@{release}"}, start_timeout)
            client.call("switch", release=release, services=[service], removed=[])
        for service in sorted(groups):
            _verify(ctx, client, service, f"{service}@{release}")


def undo(ctx: Context, target: Target, start_timeout: float) -> None:
    """Let serve again what this release replaced, and remove its own; see ``Runtime.undo``."""
    home = _home(ctx, target.host)
    release = target.deployment.release_id
    if not os.path.exists(layout.state_file(home)):
        return
    with ensure(home) as client:
        plan = client.call("undo", release=release)
        if plan["missing"]:
            raise ProviderError(
                f"what {release} replaced is no longer known for {', '.join(plan['missing'])}",
                hint="run `stagecraft rollback` to put an earlier release back from its snapshots",
            )
        for key in plan["start"]:
            service = key.rpartition("@")[0]
            policy = target.policies.get(service)
            client.call("replace", key=key, stop=policy is not None and policy.order is Order.STOP_FIRST, record="")
            wait_well(ctx, client, home, {service: key}, start_timeout)
        client.call("restore", release=release)
        client.call("remove", release=release)
        _until_gone(ctx, client, lambda g: g["release"] == release and not g["active"])
    releases.forget(ctx, home, release)


def retire(ctx: Context, target: Target) -> None:
    """Drain and stop what was replaced, and remove what has expired; see ``Runtime.retire``."""
    home = _home(ctx, target.host)
    release = target.deployment.release_id
    with ensure(home) as client:
        client.call("retire", release=release, only=list(target.only))
        _until_gone(ctx, client, lambda g: not g["active"] and (g["instances"] or g["draining"]))
        groups = client.call("status")["groups"]
    expired = [old for old in target.expired if old not in {release, *target.retained}]
    stale = {name for old in expired for name in releases.snapshots_of(home, old)}
    for old in expired:
        releases.forget(ctx, home, old)
    needed = {g["digest"] for g in groups} | {s.image.digest for s in target.deployment.services if s.image}
    releases.collect(home, needed, stale)


def observe(ctx: Context, host: Host) -> tuple[Instance, ...]:
    """Return every instance; see ``Runtime.observe``. Without a supervisor, what by its state still runs."""
    from stagecraft_process.offline import describe

    home = _home(ctx, host)
    client = connect(home)
    if client is None:
        groups = describe(home)
        if any(g["run"] for g in groups):
            ctx.log(
                "no supervisor runs, so no port is served: `stagecraft deploy` starts it and all services again",
                level="warning",
                host=host.name,
            )
    else:
        with client:
            groups = client.call("status")["groups"]
    found = [_instance(group, data, host) for group in groups for data in group["instances"]]
    return tuple(sorted(found, key=lambda i: (i.service, i.id)))


def fingerprint(unit: Mapping[str, Any]) -> str:
    """Return the hash of all that makes a service what it is: its filled unit, the snapshot's folder included."""
    return hashlib.sha256(json.dumps(unit, sort_keys=True).encode()).hexdigest()


def _instance(group: Mapping[str, Any], data: Mapping[str, Any], host: Host) -> Instance:
    own = data["ports"]
    return Instance(
        group["service"],
        host.name,
        str(data["pid"]) if data["pid"] else data["name"],
        "running" if data["state"] == "stopping" else data["state"],
        data["health"],
        group["release"],
        group["active"],
        group["digest"],
        tuple(f"{ip}:{published}->{own.get(str(target), target)}/tcp" for ip, published, target in group["ports"]),
        data["address"] if data["pid"] else "",
        data["exit_code"],
        data["restarts"],
        datetime.fromtimestamp(data["since"], UTC).isoformat(timespec="milliseconds") if data["since"] else "",
    )


def _home(ctx: Context, host: Host) -> str:
    if not is_local(host.name, host.address):
        raise Refused(
            f"runtime process runs services on this machine only, not on host {host.name!r}",
            hint="use `runtime: compose` for this environment, or leave out its `hosts`",
        )
    return os.path.realpath(ctx.home(host))


def _runs(client: Client, service: str, release: str) -> bool:
    groups = client.call("status")["groups"]
    return any(g["run"] for g in groups if g["service"] == service and g["release"] == release)


def _by_dependency(units: Mapping[str, Mapping[str, Any]]) -> list[str]:
    from graphlib import TopologicalSorter

    graph = {s: sorted(d for d in u["depends_on"] if d in units) for s, u in sorted(units.items())}
    return list(TopologicalSorter(graph).static_order())


def _until_gone(ctx: Context, client: Client, found: Any) -> None:
    """Wait until no group is found any more; the supervisor bounds the time by stop grace periods."""
    while waiting := [g for g in client.call("status")["groups"] if found(g)]:
        open_ones = sum(i["connections"] for g in waiting for i in g["instances"])
        ctx.progress(f"draining {', '.join(sorted({g['service'] for g in waiting}))}: {open_ones} connections open")
        ctx.sleep(_LOOK)


def _verify(ctx: Context, client: Client, service: str, key: str) -> None:
    """Connect through each published port of a service and ask the supervisor where the connection went."""
    from stagecraft_process.supervisor.listeners import local_address

    group = next(g for g in client.call("status")["groups"] if g["key"] == key)
    for ip, port, target in group["ports"]:
        deadline = ctx.monotonic() + 15
        went = ""
        while ctx.monotonic() < deadline and went != key:
            try:
                with socket.create_connection((local_address(ip), port), timeout=5) as sock:
                    mine = sock.getsockname()[1]
                    for _ in range(100):
                        went = client.call("trace", port=mine).get("key", "")
                        if went:
                            break
                        ctx.sleep(0.01)
            except OSError as error:
                raise ProviderError(
                    f"port {port} of service {service!r} does not accept connections after the switch: {error}",
                    hint="run `stagecraft status`, and see the supervisor's log",
                ) from error
        if went != key:
            raise ProviderError(
                f"a connection to port {port} went to {went or 'no instance'} and not to the new release's {service!r}",
                hint=f"run `stagecraft logs {service}`; its container port is {target}",
            )
