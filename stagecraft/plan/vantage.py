"""From where a database is migrated: this machine, or a host that reaches it. Pure."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, cast

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import LOCAL

if TYPE_CHECKING:
    from stagecraft_hookspecs.migration import Engine
    from stagecraft_hookspecs.values import Host

    from stagecraft.config.model import DatabaseConfig
    from stagecraft.project import Project

_REFERENCE = re.compile(r"<secret:([^<>\s]+)>")


def written_url(project: Project, variable: str) -> tuple[str, str]:
    """Return the first service, by name, whose environment sets a variable, and the value with its references to secrets."""
    for service, definition in project.services.items():
        value = (definition.get("environment") or {}).get(variable)
        if value:
            return service, str(value)
    return "", ""


def connects(database: DatabaseConfig) -> bool:
    """Tell whether a database's migration engine connects to it from this machine."""
    return database.engine is not None and cast("type[Engine]", database.engine.cls).connects


def vantage(project: Project, name: str, address: str = "") -> Host | None:
    """Return the host from which a database is reached, or None for this machine.

    A database that is a compose service is reached from the host that runs it, any other from the one that ``via`` names.

    Args:
        address: The URL's host, once it is known; a plan knows it unless it is a secret.

    Raises:
        UserError: ``via`` names no host or role of the environment, or one that does not run the service; or the database is a
            file on a host, which an engine on this machine cannot open.
    """
    config = project.config
    database = config.databases[name]
    if not connects(database) or all(h.name == LOCAL.name for h in config.hosts):
        return None
    setter, text = written_url(project, database.connection_env)
    text = _filled(project, text)
    if text.startswith("sqlite:"):
        _refuse_file(project, name, setter)
        return None
    service = next((s for s in (database.service, address or _host_of(text)) if s in project.services), "")
    hosts = config.hosts_of(service) if service else ()
    if database.via:
        hosts = _via(project, name, database.via, hosts, service)
    return None if not hosts or hosts[0].name == LOCAL.name else hosts[0]


def _via(project: Project, name: str, via: str, running: tuple[Host, ...], service: str) -> tuple[Host, ...]:
    config = project.config
    named = tuple(h for h in config.hosts if h.name == via) or tuple(h for h in config.hosts if via in h.roles)
    where = config.mark("databases", name, "via")
    if not named:
        known = sorted({*config.roles, *(h.name for h in config.hosts)})
        raise UserError(
            f"databases.{name}.via: {config.environment} has no host or role {via!r}",
            hint=f"known: {', '.join(known)}",
            where=where,
        )
    if service and not (named := tuple(h for h in named if h in running)):
        raise UserError(
            f"databases.{name}.via: {via} does not run {service}, which is the database",
            hint=f"leave `via` out, or name one of {', '.join(h.name for h in running)}",
            where=where,
        )
    return named


def _refuse_file(project: Project, name: str, service: str) -> None:
    hosts = [h.name for h in project.config.hosts_of(service) if h.name != LOCAL.name] if service else []
    if hosts:
        engine = project.config.databases[name].engine
        raise UserError(
            f"database {name!r} is an SQLite file of {service} on {', '.join(hosts)}, "
            f"which the engine {engine.name if engine else ''!r} cannot open from this machine",
            hint="use the migration engine `command`, which runs in the service's image on its host, or a database server",
            where=project.config.mark("databases", name),
        )


def _filled(project: Project, text: str) -> str:
    """Return a URL with what the environment's files know; only its kind and host are looked at, and shown nowhere."""

    def value(found: re.Match[str]) -> str:
        known = project.secrets.get(found[1])
        return known.reveal() if known else found[0]

    return _REFERENCE.sub(value, text)


def _host_of(text: str) -> str:
    try:
        return urllib.parse.urlsplit(text).hostname or ""
    except ValueError:
        return ""
