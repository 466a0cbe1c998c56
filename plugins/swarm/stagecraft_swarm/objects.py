"""Make and remove what a stack needs beside its services: configs, secrets, networks, labels of nodes."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import ProviderError, UserError
from stagecraft_hookspecs.values import File

from stagecraft_swarm import naming
from stagecraft_swarm.mounts import CONFIG_LIMIT, SECRET_LIMIT

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site


def contents(site: Site, files: Mapping[str, File], draft: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the content of every config and secret by its path, secrets filled, files of the project read."""
    found = {}
    for path, file in sorted(files.items()):
        if path != naming.STACK_FILE:
            filled = file.secret and b"<secret:" in file.data
            found[path] = site.ctx.fill(file.data.decode()).reveal().encode() if filled else file.data
    for path, source in sorted(draft[naming.OWN]["sources"].items()):
        found[path] = _read(site, path, str(source))
    for path, data in found.items():
        limit = SECRET_LIMIT if path.startswith("secrets/") else CONFIG_LIMIT
        if len(data) > limit:
            kind, _, name = path.partition("s/")
            raise UserError(
                f"{kind} {name!r} is larger than the {limit // 1000} kB that a swarm takes", hint="use a volume"
            )
    return found


def _read(site: Site, path: str, source: str) -> bytes:
    try:
        return (site.ctx.root / source).read_bytes()
    except OSError as error:
        kind, _, name = path.partition("s/")
        message = f"{kind} {name!r}: cannot read {source}: {error.strerror}"
        raise UserError(message, hint="correct `file` in the compose file") from error


def names(site: Site, found: Mapping[str, bytes]) -> dict[str, str]:
    """Return the name that each content has in the swarm."""
    return {path: naming.object_name(site.stack, path.partition("/")[2], data) for path, data in found.items()}


def _labels(site: Site) -> dict[str, str]:
    own = {naming.PROJECT: site.ctx.project, naming.ENVIRONMENT: site.ctx.environment}
    return {**own, naming.NAMESPACE: site.stack}


def _listed(site: Site, leader: Host, kind: str) -> dict[str, str]:
    """Return name to id of the stack's configs or secrets."""
    filters = {"label": f"{naming.NAMESPACE}={site.stack}"}
    found = site.ask(f"list {kind}", lambda api: getattr(api, kind)(filters=filters), leader)
    return {str(o["Spec"]["Name"]): str(o["ID"]) for o in found}


def ensure(site: Site, leader: Host, found: Mapping[str, bytes]) -> None:
    """Have every config and secret in the swarm; the contents go in a request's body."""
    named = names(site, found)
    for kind in ("configs", "secrets"):
        wanted = {named[path]: data for path, data in found.items() if path.startswith(f"{kind}/")}
        there = _listed(site, leader, kind) if wanted else {}
        for name, data in sorted(wanted.items()):
            if name not in there:
                one = f"create_{kind.removesuffix('s')}"
                make = functools.partial(_make, one, name, data, _labels(site))
                site.ask(f"keep {kind.removesuffix('s')} {name}", make, leader)


def _make(method: str, name: str, data: bytes, labels: Mapping[str, str], api: Any) -> None:
    getattr(api, method)(name, data, dict(labels))


def remove(site: Site, leader: Host, keep: Collection[str], *, dry_run: bool = False) -> list[tuple[str, str]]:
    """Remove the stack's configs and secrets that are not kept; return (kind, name). What a service still uses stays."""
    gone = []
    for kind in ("configs", "secrets"):
        one = kind.removesuffix("s")
        for name, identity in sorted(_listed(site, leader, kind).items()):
            if name in keep:
                continue
            if not dry_run:
                try:
                    site.ask(f"remove {name}", functools.partial(_remove, f"remove_{one}", identity), leader)
                except ProviderError as error:
                    site.ctx.log(f"{one} {name} stays: {error.message}", level="debug", host=leader.name)
                    continue
            gone.append((one, name))
    return gone


def _remove(method: str, identity: str, api: Any) -> None:
    getattr(api, method)(identity)


def ensure_networks(site: Site, leader: Host, document: Mapping[str, Any]) -> None:
    """Have the stack's networks, so that one-off containers can join them before any service runs.

    They carry the stack's label; ``docker stack deploy`` takes them for its own.
    """
    wanted = {
        str(value.get("name") or f"{site.stack}_{key}"): value
        for key, value in (document.get("networks") or {}).items()
        if not value.get("external")
    }
    there = {str(n["Name"]) for n in site.ask("list networks", lambda api: api.networks(), leader)}
    for name, value in sorted(wanted.items()):
        if name not in there:
            made = functools.partial(_network, name, value, _labels(site))
            site.ask(f"make network {name}", made, leader)


def _network(name: str, value: Mapping[str, Any], labels: Mapping[str, str], api: Any) -> None:
    pools = [
        {
            k: v
            for k, v in (("Subnet", c.get("subnet")), ("Gateway", c.get("gateway")), ("IPRange", c.get("ip_range")))
            if v
        }
        for c in (value.get("ipam") or {}).get("config") or ()
    ]
    ipam = {"Driver": "default", "Config": pools} if pools else None
    options = {str(k): str(v) for k, v in (value.get("driver_opts") or {}).items()}
    api.create_network(
        name,
        driver="overlay",
        attachable=True,
        internal=bool(value.get("internal")),
        options=options or None,
        ipam=ipam,
        labels={**(value.get("labels") or {}), **labels},
    )


def remove_networks(site: Site, leader: Host) -> None:
    """Remove the stack's networks; one that something still uses stays."""
    filters = {"label": f"{naming.NAMESPACE}={site.stack}"}
    for network in site.ask("list networks", lambda api: api.networks(filters=filters), leader):
        try:
            site.ask("remove a network", functools.partial(_remove, "remove_network", str(network["Id"])), leader)
        except ProviderError as error:
            site.ctx.log(f"network {network['Name']} stays: {error.message}", level="debug", host=leader.name)


def label_nodes(site: Site, leader: Host, document: Mapping[str, Any], *, exact: bool = False) -> None:
    """Label the environment's nodes with the services that they may run.

    Args:
        exact: Take the stack's other labels off: tasks of theirs would be stopped, so that it is done last.

    Raises:
        ProviderError: A host belongs to another swarm.
    """
    hosts = site.nodes()
    wanted: dict[str, set[str]] = {node: set() for node in hosts}
    for service, own in document[naming.OWN]["services"].items():
        for node, host in hosts.items():
            if host.name in own["hosts"]:
                wanted[node].add(naming.node_label(site.stack, service))
    listed = nodes_of(site, leader, hosts)
    for node in sorted(listed if exact else wanted):
        _label(site, leader, listed[node], wanted.get(node, set()), exact)


def nodes_of(site: Site, leader: Host, hosts: Mapping[str, Host]) -> dict[str, Mapping[str, Any]]:
    """Return the swarm's nodes by id; raises ProviderError where one of the hosts belongs to another swarm."""
    listed = {str(n["ID"]): n for n in site.ask("list nodes", lambda api: api.nodes(), leader)}
    foreign = sorted(host.name for node, host in hosts.items() if node not in listed)
    if foreign:
        message = f"{', '.join(foreign)} belongs to another swarm than {leader.name}"
        raise ProviderError(message, hint="let it leave (docker swarm leave) and join the right one")
    return listed


def _label(site: Site, leader: Host, node: Mapping[str, Any], wanted: set[str], exact: bool) -> None:
    spec = dict(node["Spec"])
    before = dict(spec.get("Labels") or {})
    prefix = naming.node_label(site.stack, "")
    kept = {k: v for k, v in before.items() if not (exact and k.startswith(prefix) and k not in wanted)}
    after = {**kept, **dict.fromkeys(wanted, "true")}
    if after != before:
        version = int(node["Version"]["Index"])
        spec["Labels"] = after
        site.ask("label a node", lambda api: api.update_node(str(node["ID"]), version, spec), leader)


def version(text: str) -> tuple[int, ...]:
    """Return an API version as numbers."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())
