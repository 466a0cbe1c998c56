"""Find out how this machine reaches a database whose URL is written for the services."""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.migration import Database
from stagecraft_hookspecs.values import LOCAL, Secret

from stagecraft.plan.vantage import connects, vantage, written_url
from stagecraft.run.endpoints import forwarded, on_this_machine, seen_from

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft.project import Project


@contextlib.contextmanager
def reached(project: Project, ctx: Context, name: str, *, make: bool = False) -> Iterator[Database]:
    """Give a database with a URL that works from this machine, for the block.

    The URL is the value that the services get for ``connection_env``; where it names a compose service as its host, that becomes
    the address at which the running instance answers, and where it is a file below a mount, that becomes the file on this machine.
    A database that only a host reaches (``vantage``) is reached through a port of this machine that leads there.

    Args:
        make: Make the folder of an SQLite file that is not there yet; for whoever is about to write it.

    Raises:
        UserError: Nothing sets ``connection_env``, or the file lies where this machine cannot see it.
        ProviderError: The service that the database is does not run, or the host does not reach it.
    """
    config = project.config.databases[name]
    service, text = written_url(project, config.connection_env)
    url = ctx.fill(text).reveal() if text else _from_secrets(ctx, name, config.connection_env)
    with contextlib.ExitStack() as stack:
        if connects(config):
            url = stack.enter_context(_usable(project, ctx, name, service, url, make))
        elif url.startswith("sqlite:") and all(h.name == LOCAL.name for h in project.config.hosts):
            # the tool opens the file in its own container, where this machine need not see it: a volume of the engine's
            with contextlib.suppress(UserError):
                _sqlite(project, ctx, service, url, make)
        yield Database(name, Secret(config.connection_env, url), config.service)


@contextlib.contextmanager
def _usable(project: Project, ctx: Context, name: str, service: str, url: str, make: bool) -> Iterator[str]:
    if url.startswith("sqlite:"):
        vantage(project, name)
        yield _sqlite(project, ctx, service, url, make)
        return
    parts = _split(name, url)
    address = parts.hostname or ""
    host = vantage(project, name, address)
    if host is not None:
        with forwarded(ctx, host, parts, seen_from(project, ctx, host, name, parts)) as led:
            yield led
    else:
        yield on_this_machine(project, ctx, parts) if address in project.services else url


def _split(name: str, url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        # its text may hold the password
        raise UserError(
            f"the URL of database {name!r} cannot be read",
            hint="percent-encode special characters of the password: @ is %40, / is %2F, # is %23, % is %25",
        ) from None
    return parts


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
