"""Check what no single value can show: hosts named twice, roles that nobody has, databases behind one variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import Problem, nearest
from stagecraft_hookspecs.values import LOCAL, Host

from stagecraft.config.faults import Fault
from stagecraft.config.model import DEFAULT_ROLE
from stagecraft.config.settings import DatabaseSettings, HostSettings

if TYPE_CHECKING:
    from stagecraft.config.assemble import Tree
    from stagecraft.config.model import Config
    from stagecraft.config.settings import Settings


def hosts(settings: Settings | None, tree: Tree, faults: list[Fault]) -> tuple[Host, ...]:
    """Collect the hosts of every role, sorted by name; without any, this machine with every role."""
    if settings is None:
        return ()
    seen: dict[str, HostSettings] = {}
    roles: dict[str, set[str]] = {}
    for role, entries in settings.hosts.items():
        for index, entry in enumerate(entries):
            found = entry if isinstance(entry, HostSettings) else HostSettings(entry)
            known = seen.get(found.name, HostSettings(found.name))
            if found.name == LOCAL.name and found != HostSettings(found.name):
                hint = "`local` is this machine; give another machine another name"
                faults.append(Fault(("hosts", role, index), "the host 'local' has no address, user or port", "", hint))
            if clash := _clash(known, found):
                hint = "give a host's details once, and only its name elsewhere"
                text = f"the host {found.name!r} is named twice with a different {clash}"
                faults.append(Fault(("hosts", role, index), text, "", hint))
            seen[found.name] = _join(known, found)
            roles.setdefault(found.name, set()).add(role)
    if not seen:
        everything = {DEFAULT_ROLE, *settings.hosts, *(s.role for s in settings.services.values())}
        return (attrs.evolve(LOCAL, roles=tuple(sorted(everything))),)
    return tuple(_host(seen[name], roles[name]) for name in sorted(seen))


def roles(data: Mapping[str, Any], tree: Tree, faults: list[Fault]) -> None:
    """Refuse a service's role that no `hosts` of the whole file names; without hosts, any role is right."""
    known = _roles_in(data)
    services = tree.data.get("services")
    if not known or not isinstance(services, dict):
        return
    for name, service in services.items():
        role = service.get("role") if isinstance(service, dict) else None
        if isinstance(role, str) and role not in known:
            near = nearest(role, known) if len(role) < 100 else ""
            text = f"no role {str(role)!r} under hosts" + (f"; did you mean {near!r}?" if near else "")
            faults.append(Fault(("services", name, "role"), text, "", f"known: {', '.join(sorted(known))}"))


def connections(tree: Tree, faults: list[Fault]) -> None:
    """Refuse two databases whose URL is in one variable: the second's migrations would run in the first."""
    seen: dict[str, str] = {}
    databases = tree.data.get("databases")
    for name, database in databases.items() if isinstance(databases, dict) else ():
        if not isinstance(database, dict):
            continue
        variable = database.get("connection_env", attrs.fields(DatabaseSettings).connection_env.default)
        if not isinstance(variable, str):
            continue
        if variable in seen:
            text = f"the databases {seen[variable]!r} and {name!r} have the same connection_env ({variable})"
            hint = "give each database a variable of its own"
            faults.append(Fault(("databases", name, "connection_env"), text, "", hint))
        seen.setdefault(variable, name)


def unknown_services(config: Config, known: Iterable[str]) -> tuple[Problem, ...]:
    """Return a problem for every name in the configuration that is not a service of the compose file."""
    names = sorted(known)
    named: list[tuple[str, tuple[str, ...]]] = [(name, ("services", name)) for name in config.services]
    named += [(db.service, ("databases", db.name, "service")) for db in config.databases.values() if db.service]
    named += [(name, ("dev", "domains", name)) for name in config.dev.domains]
    problems = []
    for name, path in named:
        if name not in names:
            near = nearest(name, names)
            text = f"{'.'.join(path)}: no service {name!r} in the compose file"
            hint = f"its services: {', '.join(names)}" if names else "the compose file has no services"
            mean = f"; did you mean {near!r}?" if near else ""
            problems.append(Problem(text + mean, hint, config.mark(*path)))
    return tuple(problems)


def _roles_in(data: Mapping[str, Any]) -> frozenset[str]:
    environments = data.get("environments")
    places = [data, *(environments.values() if isinstance(environments, dict) else ())]
    found = [p.get("hosts") for p in places if isinstance(p, dict)]
    return frozenset(str(role) for hosts in found if isinstance(hosts, dict) for role in hosts)


def _clash(known: HostSettings, found: HostSettings) -> str:
    for key in ("address", "user", "port"):
        one, other = getattr(known, key), getattr(found, key)
        if one is not None and other is not None and one != other:
            return key
    return ""


def _join(known: HostSettings, found: HostSettings) -> HostSettings:
    return HostSettings(found.name, found.address or known.address, found.user or known.user, found.port or known.port)


def _host(found: HostSettings, roles: set[str]) -> Host:
    return Host(found.name, found.address or "", found.user or "", found.port or 22, tuple(sorted(roles)))
