"""The contract suite of proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext, FakeMachine
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.proxy import Endpoint, Limits, Proxy, ProxyRenderer, Route
from stagecraft_hookspecs.values import File, Host


class ProxyContract(ProviderContract):
    """Prove a proxy."""

    kind: ClassVar[str] = "proxy"
    base: ClassVar[type[Provider]] = Proxy

    def host(self) -> Host:
        """Return the host that the proxy runs on."""
        return samples.HOSTS[0]

    def routes(self) -> tuple[Route, ...]:
        """Return routes: two targets, another host name and path, and one without a target."""
        blue, green = Endpoint("127.0.0.1", 49152, "api-1"), Endpoint("127.0.0.1", 49153, "api-2")
        return (
            Route(
                "api-80", "api", 80, 8000, hosts=("shop.example.com",), path="/api", strip=True, targets=(blue, green)
            ),
            Route("down-81", "web", 81, 8000, grace=1.0),
            Route(
                "web-80", "web", 80, 8000, limits=Limits(body=1 << 20), targets=(Endpoint("127.0.0.1", 49200, "web-1"),)
            ),
        )

    def ready(self, ctx: FakeContext) -> FakeContext:
        """Return the context in which the steps work; give it the answers that the provider waits for."""
        return ctx

    def pure(self) -> tuple[Call, ...]:
        """Return calls of the renderer."""
        return (Call("render", (self.routes(),), renderer=True), Call("render", ((),), renderer=True))

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of the five steps."""
        host, routes = self.host(), self.routes()
        return (
            Call("ensure", (ctx, host, routes)),
            Call("switch", (ctx, host, routes)),
            Call("serving", (ctx, host)),
            Call("drain", (ctx, host, routes[0].targets, 1.0)),
            Call("remove", (ctx, host)),
        )

    def test_renders_files(self, provider: Any) -> None:
        """The configuration is files by relative path, different for different routes."""
        assert issubclass(provider.Renderer, ProxyRenderer)
        renderer = provider.Renderer(provider.config)
        files = renderer.render(self.routes())
        assert files
        for path, file in files.items():
            assert isinstance(file, File)
            assert not path.startswith("/")
            assert ".." not in path.split("/")
        assert renderer.render(self.routes()[:1]) != files

    def test_steps_can_be_repeated(self, provider: Any, tmp_path: Path) -> None:
        """Each step twice is as good as once, and drain returns targets that it was given."""
        host, routes = self.host(), self.routes()
        ctx = self.ready(FakeContext(tmp_path, machine=FakeMachine()))
        for _ in range(2):
            assert provider.ensure(ctx, host, routes) is None
        for _ in range(2):
            assert provider.switch(ctx, host, routes) is None
        serving = [provider.serving(ctx, host) for _ in range(2)]
        assert serving[0] == serving[1]
        assert set(serving[0]) <= {route.id for route in routes}
        assert set(provider.drain(ctx, host, routes[0].targets, 0.1)) <= set(routes[0].targets)
        for _ in range(2):
            assert provider.remove(ctx, host) is None

    def test_serves_what_it_was_switched_to(self, provider: Any, tmp_path: Path) -> None:
        """After a switch the proxy itself says that new requests go to the new targets."""
        host, routes = self.host(), self.routes()
        ctx = self.ready(FakeContext(tmp_path, machine=FakeMachine()))
        provider.ensure(ctx, host, routes)
        try:
            provider.switch(ctx, host, routes)
            serving = provider.serving(ctx, host)
        except StagecraftError as error:
            raise AssertionError(f"override `ready` with the answers that the proxy gives: {error}") from error
        for route in routes:
            if route.targets:
                assert set(serving.get(route.id, ())) == {f"{t.address}:{t.port}" for t in route.targets}
