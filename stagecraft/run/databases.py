"""Find out how this machine reaches a database whose URL is written for the services."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.migration import Database
from stagecraft_hookspecs.values import LOCAL, Secret

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft.project import Project


def resolve_database(project: Project, ctx: Context, name: str, *, make: bool = False) -> Database:
    """Return a database with a URL that works from this machine.

    The URL is the value that the services get for ``connection_env``; where it names a compose service as its host, that becomes
    the address at which the running instance answers, and where it is a file below a mount, that becomes the file on this machine.

    Args:
        make: Make the folder of an SQLite file that is not there yet; for whoever is about to write it.

    Raises:
        UserError: Nothing sets ``connection_env``, or the file lies where this machine cannot see it.
        ProviderError: The service that the database is does not run.
    """
    config = project.config.databases[name]
    service, text = _find(project, config.connection_env)
    url = ctx.fill(text).reveal() if text else _from_secrets(ctx, name, config.connection_env)
    if url.startswith("sqlite:"):
        url = _sqlite(project, ctx, service, url, make)
    elif (host := urllib.parse.urlsplit(url).hostname) in project.services:
        assert host is not None
        url = _reachable(project, ctx, url, host)
    return Database(name, Secret(config.connection_env, url), config.service or "")


def _find(project: Project, variable: str) -> tuple[str, str]:
    """Return the first service, by name, whose environment sets the variable, and its value with references."""
    for service, definition in project.services.items():
        value = (definition.get("environment") or {}).get(variable)
        if value:
            return service, str(value)
    return "", ""


def _from_secrets(ctx: Context, name: str, variable: str) -> str:
    try:
        return ctx.secret(variable).reveal()
    except NotFound:
        value = os.environ.get(variable, "")
        if value:
            return value
        raise UserError(
            f"database {name!r}: nothing sets {variable}",
            hint=f"set {variable} in a service's environment, in the environment's env_file, or in the shell",
        ) from None


def _sqlite(project: Project, ctx: Context, service: str, url: str, make: bool) -> str:
    path = url.removeprefix("sqlite:").removeprefix("//").partition("?")[0]
    if not path.startswith("/"):
        return url
    # sqlite:////data/x.db is the absolute path /data/x.db, sqlite:///x.db the relative x.db
    inside = path[1:] if path.startswith("//") else ""
    if not inside or not service:
        return url
    for mount in project.services[service].get("volumes") or ():
        target = str(mount.get("target", "")).rstrip("/")
        if inside == target or inside.startswith(target + "/"):
            folder = _mounted(project, ctx, mount)
            if make:
                folder.mkdir(parents=True, exist_ok=True)
            return f"sqlite:///{folder / inside[len(target) :].lstrip('/')}"
    return url


def _mounted(project: Project, ctx: Context, mount: dict[str, Any]) -> Path:
    source = str(mount.get("source", ""))
    if mount.get("type") == "bind":
        return Path(project.config.root, source)
    from stagecraft.plan.deployment import make_deployment

    known = project.renderer().render(make_deployment(project)).volumes.get(source)
    if known is None:
        raise UserError(
            f"the SQLite file lies in the volume {source!r}, which this machine cannot open",
            hint=f"mount a folder instead (`./data:{mount.get('target')}`), or use the migration engine `command`",
        )
    return Path(ctx.home(), known)


def _reachable(project: Project, ctx: Context, url: str, service: str) -> str:
    parts = urllib.parse.urlsplit(url)
    with project.blamed():
        instances = [i for i in project.runtime.observe(ctx, LOCAL) if i.service == service and i.state == "running"]
    if not instances:
        raise ProviderError(
            f"the database is the service {service!r}, which does not run",
            hint=f"name it in the configuration (`databases: … service: {service}`), so that a deploy starts it first",
        )
    for instance in instances:
        for published in instance.ports:
            where, _, inner = published.partition("->")
            if inner.partition("/")[0] == str(parts.port or _PORTS.get(parts.scheme.partition("+")[0], 0)):
                address, _, port = where.rpartition(":")
                return _with_address(parts, "127.0.0.1" if address in ("0.0.0.0", "", "::", "[::]") else address, port)  # noqa: S104
        if instance.address:
            return _with_address(parts, instance.address, str(parts.port) if parts.port else "")
    raise ProviderError(
        f"the service {service!r} runs, but has no address that this machine reaches",
        hint="publish its port on 127.0.0.1 in the compose file",
    )


_PORTS = {"postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306}


def _with_address(parts: urllib.parse.SplitResult, address: str, port: str) -> str:
    login, at, _ = parts.netloc.rpartition("@")
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{login}{at}{address}{':' + port if port else ''}"))
