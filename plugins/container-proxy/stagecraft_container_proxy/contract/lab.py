"""A laboratory: an environment of the test's own, applications, and requests over sockets."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from stagecraft_hookspecs.proxy import Endpoint, Proxy, Route
from stagecraft_hookspecs.values import LOCAL

from stagecraft_container_proxy.contract.apps import App, Loop
from stagecraft_container_proxy.contract.context import LocalContext
from stagecraft_container_proxy.names import Names


@attrs.frozen
class Answer:
    """Hold what a request was answered with; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def who(self) -> str:
        """Return the name of the application that answered."""
        return self.body.partition(" ")[0]


@attrs.define
class Lab:
    """Hold one environment: proxy, context, applications, and a loopback address on which every port is its own."""

    proxy: Proxy
    root: Path
    loop: Loop
    ctx: Any = None
    address: str = attrs.field(factory=lambda: own_loopback())
    port: int = 0
    apps: list[App] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.ctx = self.ctx or LocalContext(self.root, unique("sct"))
        self.port = self.port or free_port(self.address)

    @property
    def container(self) -> str:
        """Return the name of the proxy's container."""
        return Names(self.proxy.name, self.ctx.project, self.ctx.environment).container

    def app(self, name: str) -> App:
        """Start an application."""
        self.apps.append(App(self.loop, name))
        return self.apps[-1]

    def route(self, *apps: App | Endpoint, **more: Any) -> Route:
        """Return a route on the lab's address and port to the given applications."""
        targets = tuple(sorted(a.endpoint if isinstance(a, App) else a for a in apps))
        given = {"bind": self.address, "grace": 5.0, "targets": targets, "id": "web-80", "service": "web", **more}
        return Route(**{"listen": self.port, "port": 8000, **given})

    def ensure(self, *routes: Route) -> None:
        """Make the proxy run with these routes."""
        self.proxy.ensure(self.ctx, LOCAL, routes)

    def switch(self, *routes: Route) -> None:
        """Send requests to the routes' targets."""
        self.proxy.switch(self.ctx, LOCAL, routes)

    def serving(self) -> Mapping[str, tuple[str, ...]]:
        """Return what the proxy says."""
        return self.proxy.serving(self.ctx, LOCAL)

    def drain(self, app: App, deadline: float) -> tuple[Endpoint, ...]:
        """Wait for the application's requests in flight."""
        return self.proxy.drain(self.ctx, LOCAL, (app.endpoint,), deadline)

    def ask(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        host: str = "shop.test",
        port: int = 0,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, port or self.port, timeout=20)
        if tls:
            plain = socket.create_connection((self.address, port or self.port), timeout=20)
            connection.sock = tls.wrap_socket(plain, server_hostname=host)
        try:
            connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, text)
        finally:
            connection.close()

    def close(self) -> None:
        """Remove everything."""
        self.proxy.remove(self.ctx, LOCAL)
        for app in self.apps:
            app.close()


def own_loopback() -> str:
    """Return a loopback address of the test's own: low ports on it are nobody else's."""
    digits = uuid.uuid4().int
    return f"127.{digits % 100 + 20}.{digits // 1000 % 250}.{digits // 1000000 % 250 + 1}"


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as s:
        s.bind((address, 0))
        return int(s.getsockname()[1])


def unique(text: str) -> str:
    """Return a name that nothing else has."""
    return f"{text}{uuid.uuid4().hex[:8]}"


def docker(*argv: str) -> str:
    """Return what the docker command prints, looked at apart from the proxy's own means."""
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout.strip()


def eventually(check: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what ``check`` returns once that is true and it raises no OSError."""
    until = time.monotonic() + seconds
    while True:
        try:
            if (found := check()) or time.monotonic() > until:
                assert found, "it did not happen in time"
                return found
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise
        time.sleep(0.05)
