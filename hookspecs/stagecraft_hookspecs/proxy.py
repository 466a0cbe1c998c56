"""Proxy: what receives users' requests on a host and is told, per release, where to send them.

Like a runtime a proxy is two classes: a ``ProxyRenderer`` that turns routes into configuration (pure), and a ``Proxy`` with five
steps per host, each safe to repeat. The proxy is never recreated by a deploy: a release moves routes, not listeners.

A whole plugin is this file, ``stagecraft_flat/plugin.py`` (a proxy that reads its routes from one file at each request)::

    import json
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.errors import ProviderError
    from stagecraft_hookspecs.proxy import Proxy, ProxyRenderer
    from stagecraft_hookspecs.values import Command, File

    class FlatRenderer(ProxyRenderer):
        def render(self, routes):
            table = {r.id: [f"{t.address}:{t.port}" for t in r.targets] for r in routes}
            return {"routes.json": File(json.dumps(table, sort_keys=True).encode())}

    class Flat(Proxy):
        '''Send requests where routes.json says.'''

        name = "flat"
        Renderer = FlatRenderer

        def ensure(self, ctx, host, routes):
            ctx.machine(host).run(Command(("flatd", "start", "--if-stopped"), cwd=ctx.home(host)))

        def switch(self, ctx, host, routes):
            for path, file in self.Renderer(self.config).render(routes).items():
                ctx.machine(host).write(f"{ctx.home(host)}/{path}", file.data)

        def serving(self, ctx, host):
            try:
                table = json.loads(ctx.machine(host).read(f"{ctx.home(host)}/routes.json"))
            except ValueError as error:
                raise ProviderError(f"routes.json on {host.name} is damaged: {error}", hint="deploy again") from error
            return {route: tuple(targets) for route, targets in sorted(table.items())}

        def drain(self, ctx, host, targets, deadline):
            return ()

        def remove(self, ctx, host):
            ctx.machine(host).run(Command(("flatd", "stop"), cwd=ctx.home(host)))

    @hookimpl
    def stagecraft_proxy():
        return Flat

with the entry point ``flat = "stagecraft_flat.plugin"`` in the group ``stagecraft``. Prove yours with
``contract.proxy.ProxyContract``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import File, Finding, Host


@attrs.frozen(order=True)
class Endpoint:
    """Name where an instance listens."""

    address: str
    port: int
    instance: str = ""


@attrs.frozen
class Limits:
    """Bound what a route's requests may take; 0 means the proxy's own default.

    Attributes:
        body: Bytes of a request's body; more is answered with 413.
        timeout: Seconds until the service must have begun its answer; then 504.
        idle: Seconds that an open stream or WebSocket may be silent.
    """

    body: int = 0
    timeout: float = 0.0
    idle: float = 0.0


@attrs.frozen
class Route:
    """Say which requests go where.

    Attributes:
        id: Unique and stable: ``web-80``.
        service: The compose service behind it.
        listen: Port on the host.
        port: Port on which the service's instances listen.
        bind: Address of the host to listen on; empty means all.
        hosts: Host names; empty means any.
        path: Prefix; ``strip`` removes it before forwarding.
        tls: ``off``, ``given`` or ``acme``.
        certificate, key: With ``given``: the files, PEM, relative to the project; the key's content is a secret.
        redirect: Answer every request with 308 to this: ``https`` for the same address over TLS, or a host name.
        check: Path that answers below 400 when the service is well; empty means that only the connection is looked at.
        limits: What its requests may take.
        page: File with the maintenance page, relative to the project; empty means a plain one. Sent with 503.
        grace: Seconds that requests in flight get when a target is drained: the service's stop grace.
        targets: Sorted; none means the maintenance page.
    """

    id: str
    service: str
    listen: int
    port: int = 0
    bind: str = ""
    hosts: tuple[str, ...] = ()
    path: str = "/"
    strip: bool = False
    tls: str = "off"
    certificate: str = ""
    key: str = ""
    redirect: str = ""
    check: str = ""
    limits: Limits = Limits()
    page: str = ""
    grace: float = 10.0
    targets: tuple[Endpoint, ...] = ()


class ProxyRenderer(ABC):
    """Describe, without doing: the pure half of a proxy."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @abstractmethod
    def render(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return the proxy's configuration files by path; the same for the same routes, byte for byte.

        Files that the routes name (certificates, pages) are not read here: the proxy ships them from ``Context.root``.
        """

    def findings(self, routes: tuple[Route, ...]) -> tuple[Finding, ...]:
        """Return what the plan should say of these routes: what this proxy cannot do (an error), or loses (a warning)."""
        return ()


class Proxy(Provider):
    """Move routes between releases on one host without losing a request.

    Several environments, and projects, may share a host: what a proxy keeps and how it is named must hold both names.

    Attributes:
        Renderer: The pure half; constructed with the same configuration.
        lossless: Whether a switch loses nothing under load; the plan says so when it does.
    """

    Renderer: ClassVar[type[ProxyRenderer]]
    lossless: ClassVar[bool] = True

    @abstractmethod
    def ensure(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Make the proxy run with these listeners, the targets of the routes that it has left as they are.

        Never recreates a running one, nor upgrades it: another image or other settings wait until ``remove``, and a warning in
        the log says so. Raises ProviderError when a port is taken, naming by whom, and when the configuration is rejected.
        """

    @abstractmethod
    def switch(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> None:
        """Send new requests to the routes' targets; return once it is so. Raises ProviderError; the former routes then stand."""

    @abstractmethod
    def serving(self, ctx: Context, host: Host) -> Mapping[str, tuple[str, ...]]:
        """Return route id to the targets (``address:port``) that get new requests, as the proxy itself tells; change nothing."""

    @abstractmethod
    def drain(self, ctx: Context, host: Host, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
        """Wait until the targets have no request in flight, at most ``deadline`` seconds; return those that still have."""

    @abstractmethod
    def remove(self, ctx: Context, host: Host) -> None:
        """Stop the proxy and remove what it left. Safe to repeat."""


@hookspec
def stagecraft_proxy() -> type[Proxy] | Iterable[type[Proxy]]:  # type: ignore[empty-body]
    """Return proxy classes. Called once, when a proxy is looked up by name; nothing is constructed."""
