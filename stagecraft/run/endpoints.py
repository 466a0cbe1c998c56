"""Find the address at which a database answers: for this machine, or for a host through whose connection it is reached."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, UserError
from stagecraft_hookspecs.values import LOCAL, Host

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context

    from stagecraft.project import Project

_PORTS = {"postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306}
#: Modes of TLS in which a client compares the name in the server's certificate, of libpq and of MySQL's clients.
_VERIFYING = {"verify-full", "verify_identity"}


def on_this_machine(project: Project, ctx: Context, parts: urllib.parse.SplitResult) -> str:
    """Return the URL of a database that is a service of this machine, with the address at which it answers."""
    address, port = _endpoint(project, ctx, LOCAL, str(parts.hostname), parts)
    return _with_address(parts, address, str(port) if port else "")


def seen_from(
    project: Project, ctx: Context, host: Host, name: str, parts: urllib.parse.SplitResult
) -> tuple[str, int]:
    """Return the address and port of a database as a host reaches it.

    Raises:
        UserError: The URL names several servers or none.
        ProviderError: It is a service of the host and does not run there.
    """
    query = dict(urllib.parse.parse_qsl(parts.query))
    address = str(parts.hostname or "")
    if not address or "," in parts.netloc or {"host", "hostaddr", "service", "unix_socket", "socket"} & query.keys():
        raise UserError(
            f"the URL of database {name!r} does not name one server, and it is reached from {host.name}",
            hint="write scheme://user:password@host:port/name; a server's socket is reached by a command that runs there",
        )
    if address in project.services:
        found, port = _endpoint(project, ctx, host, address, parts)
        return found, port or _port(parts)
    port = _port(parts)
    if not port:
        raise UserError(f"the URL of database {name!r} has no port", hint="write scheme://user:password@host:port/name")
    return address, port


@contextlib.contextmanager
def forwarded(ctx: Context, host: Host, parts: urllib.parse.SplitResult, there: tuple[str, int]) -> Iterator[str]:
    """Give the URL with a port of this machine that leads to an address as the host sees it.

    The name of the server stays in the URL where a client compares it with the server's certificate.
    """
    from stagecraft.remote.machine import RemoteMachine

    machine = ctx.machine(host)
    assert isinstance(machine, RemoteMachine)
    with machine.forward(*there) as (address, port):
        ctx.log(f"the database is reached from {host.name}, at {there[0]}:{there[1]}", level="debug", host=host.name)
        yield led(parts, address, port)


def led(parts: urllib.parse.SplitResult, address: str, port: int) -> str:
    """Return a URL whose connections go to another address; the server's name stays where TLS may compare it."""
    query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    modes = {value.lower() for key, value in query if key.lower().replace("-", "_") in ("sslmode", "ssl_mode")}
    if parts.scheme.startswith("postgres") or modes & _VERIFYING:
        kept = _with_address(parts, parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}"), str(port))
        more = urllib.parse.urlencode({"hostaddr": address})
        return f"{kept}{'&' if parts.query else '?'}{more}"
    return _with_address(parts, address, str(port))


def _endpoint(
    project: Project, ctx: Context, host: Host, service: str, parts: urllib.parse.SplitResult
) -> tuple[str, int]:
    """Return where a service's running instance answers on its host; port 0 where the URL names none and none is known."""
    where = "" if host.name == LOCAL.name else f" on {host.name}"
    with project.blamed():
        instances = [i for i in project.runtime.observe(ctx, host) if i.service == service and i.state == "running"]
    if not instances:
        raise ProviderError(
            f"the database is the service {service!r}, which does not run{where}",
            hint=f"name it in the configuration (`databases: … service: {service}`), so that a deploy starts it first",
        )
    for instance in instances:
        for published in instance.ports:
            outside, _, inner = published.partition("->")
            if inner.partition("/")[0] == str(_port(parts)):
                address, _, port = outside.rpartition(":")
                return "127.0.0.1" if address in ("0.0.0.0", "", "::", "[::]") else address.strip("[]"), int(port)  # noqa: S104
        if instance.address:
            return instance.address, parts.port or 0
    raise ProviderError(
        f"the service {service!r} runs{where}, but has no address that {host.name if where else 'this machine'} reaches",
        hint="publish its port on 127.0.0.1 in the compose file",
    )


def _port(parts: urllib.parse.SplitResult) -> int:
    return parts.port or _PORTS.get(parts.scheme.partition("+")[0], 0)


def _with_address(parts: urllib.parse.SplitResult, address: str, port: str) -> str:
    login, at, _ = parts.netloc.rpartition("@")
    bracketed = f"[{address}]" if ":" in address and not address.startswith("[") else address
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{login}{at}{bracketed}{':' + port if port else ''}"))
