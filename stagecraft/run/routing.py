"""Lead users' requests to a release on one host: the proxy's steps in their order around the runtime's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Route

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.proxy import Proxy
    from stagecraft_hookspecs.runtime import Deployment, Instance, Runtime
    from stagecraft_hookspecs.values import Host

#: Seconds for which what is starting may become well, where nothing else could take the requests.
STARTING = 60.0
#: Seconds between two looks at it.
LOOK = 0.5


@attrs.frozen(eq=False, slots=False)
class Former:
    """Hold what served before: its deployment and its proxy, if it had one."""

    release_id: str = ""
    deployment: Deployment | None = None
    proxy: Proxy | None = None

    def routes_on(self, host: str) -> tuple[Route, ...]:
        """Return its routes on a host; none without a proxy."""
        return self.deployment.routes_on(host) if self.deployment and self.proxy else ()


@attrs.frozen(eq=False, slots=False)
class Router:
    """Move the routes of one release.

    Attributes:
        proxy: The release's; None without one.
        deployment: The release's.
        find_former: Reads what served before, once and only if it is asked for.
    """

    proxy: Proxy | None
    runtime: Runtime
    deployment: Deployment
    release_id: str
    find_former: Callable[[], Former]

    @cached_property
    def former(self) -> Former:
        """Return what served before."""
        return self.find_former()

    def ensure(self, ctx: Context, host: Host) -> None:
        """Have the proxy run and listen; where an instance of the project still holds one of the ports ``switch`` does it."""
        routes = self.deployment.routes_on(host.name)
        if self.proxy is None or not routes:
            return
        held = _held(self.runtime.observe(ctx, host), routes)
        if held:
            ctx.log(f"port {held[0]} moves from its container to the proxy at the switch", host=host.name)
            return
        self.proxy.ensure(ctx, host, routes)

    def switch(
        self, ctx: Context, host: Host, replace: Callable[[], None], stopped: Collection[str], *, same: bool = False
    ) -> None:
        """Make the release serve on a host.

        Args:
            replace: The runtime's switch.
            stopped: Services whose old instances it stops before their new ones start: they get the maintenance page meanwhile.
            same: Whether every instance is one that served before. Where the routes are the former ones too, the proxy is
                only asked, and told again if it says something else.
        """
        routes = self.deployment.routes_on(host.name)
        if self.proxy is None or not routes:
            self._leave(ctx, host)
            replace()
            return
        led: tuple[Route, ...] = ()
        if _held(self.runtime.observe(ctx, host), routes):
            replace()
            self.proxy.ensure(ctx, host, routes)
        elif same and type(self.former.proxy) is type(self.proxy) and self.former.routes_on(host.name) == routes:
            led = self._aimed(ctx, host)
            replace()
        else:
            led = self._ahead(ctx, host, routes, stopped)
            replace()
        self.route(ctx, host, led)

    def route(self, ctx: Context, host: Host, led: tuple[Route, ...] = ()) -> None:
        """Lead every route to the release's instances that are well, and see that it is so.

        Args:
            led: What the proxy should have been told: where that is right still, and the proxy says so, it is not told again.

        An instance that is just starting is waited for: nothing else of the release could take its requests.

        Raises:
            ProviderError: A route has nothing that is well behind it, or the proxy says that it leads elsewhere.
        """
        assert self.proxy is not None
        routes = self._aimed(ctx, host)
        ends = ctx.monotonic() + STARTING
        while (empty := self._empty(routes)) and self._start(ctx, host, empty) and ctx.monotonic() < ends:
            ctx.sleep(LOOK)
            routes = self._aimed(ctx, host)
        if empty:
            raise ProviderError(
                f"no instance of {', '.join(empty)} on {host.name} is well, so its requests have nowhere to go",
                hint=f"see `stagecraft logs --service {empty[0]} --host {host.name}`",
            )
        if routes == led and not self._wrong(ctx, host, routes):
            return
        self.proxy.switch(ctx, host, routes)
        if wrong := self._wrong(ctx, host, routes):
            raise ProviderError(
                f"the proxy on {host.name} does not lead {', '.join(wrong)} to the new release",
                hint="see the proxy's log on that host",
            )

    def drain(self, ctx: Context, host: Host) -> None:
        """Wait until what was replaced has no request in flight, as long as its grace allows."""
        routes = self.deployment.routes_on(host.name)
        if self.proxy is None or not routes:
            return
        mine = {i.id for i in self.runtime.instances(ctx, host, self.release_id)}
        old = [i for i in self.runtime.observe(ctx, host) if i.id not in mine and i.state == "running" and i.address]
        targets = tuple(
            sorted({Endpoint(i.address, r.port, i.id) for r in routes for i in old if i.service == r.service})
        )
        if not targets:
            return
        left = self.proxy.drain(ctx, host, targets, max(r.grace for r in routes))
        for endpoint in left:
            ctx.log(
                f"{endpoint.address}:{endpoint.port} still had requests when it was stopped",
                level="warning",
                host=host.name,
            )

    def undo(self, ctx: Context, host: Host, undo: Callable[[], None]) -> None:
        """Lead the routes back to what served before, around the runtime's undo; remove a proxy that this release brought."""
        before = self.former.routes_on(host.name)
        if before and self.former.proxy is not None and self.former.deployment is not None:
            back = attrs.evolve(
                self,
                proxy=self.former.proxy,
                deployment=self.former.deployment,
                release_id=self.former.release_id,
            )
            back._ahead_of_undo(ctx, host)
            undo()
            self.former.proxy.ensure(ctx, host, before)
            back.route(ctx, host)
            return
        if self.proxy is not None and self.deployment.routes_on(host.name):
            self.proxy.remove(ctx, host)
        undo()

    def _ahead_of_undo(self, ctx: Context, host: Host) -> None:
        """Lead the routes to what is well of this release before the failed one's instances go; a failure stops nothing."""
        assert self.proxy is not None
        try:
            aimed = self._aimed(ctx, host)
            if any(r.targets for r in aimed):
                self.proxy.switch(ctx, host, aimed)
        except ProviderError as error:
            ctx.log(f"the routes could not be led back yet: {error.message}", level="warning", host=host.name)

    def _ahead(
        self, ctx: Context, host: Host, routes: tuple[Route, ...], stopped: Collection[str]
    ) -> tuple[Route, ...]:
        """Move the routes of what runs beside the old already; take requests away from what is about to be stopped."""
        assert self.proxy is not None
        aimed = self._aimed(ctx, host, without=stopped)
        going = [r for r in routes if r.service in stopped]
        before = self.proxy.serving(ctx, host) if going else {}
        self.proxy.switch(ctx, host, aimed)
        targets = tuple(sorted({_endpoint(name) for r in going for name in before.get(r.id, ())}))
        if targets:
            self.proxy.drain(ctx, host, targets, max(r.grace for r in going))
        return aimed

    def _leave(self, ctx: Context, host: Host) -> None:
        """Remove the proxy of the former release where this one has none: its instances publish the ports themselves."""
        if self.former.routes_on(host.name) and self.former.proxy is not None:
            self.former.proxy.remove(ctx, host)

    def _aimed(self, ctx: Context, host: Host, without: Collection[str] = ()) -> tuple[Route, ...]:
        well = [i for i in self.runtime.instances(ctx, host, self.release_id) if _well(i) and i.service not in without]
        return tuple(
            attrs.evolve(r, targets=() if r.redirect else _targets(r, well))
            for r in self.deployment.routes_on(host.name)
        )

    def _wrong(self, ctx: Context, host: Host, routes: tuple[Route, ...]) -> list[str]:
        """Return the routes that lead elsewhere, as the proxy itself tells, sorted."""
        assert self.proxy is not None
        serving = self.proxy.serving(ctx, host)
        return sorted(r.id for r in routes if not r.redirect and set(serving.get(r.id, ())) != _names(r))

    def _empty(self, routes: Iterable[Route]) -> list[str]:
        """Return the services whose routes have nothing behind them but should, sorted."""
        return sorted({r.service for r in routes if not r.targets and not r.redirect and self._wanted(r.service)})

    def _start(self, ctx: Context, host: Host, services: Collection[str]) -> bool:
        """Tell whether an instance of the services is about to be well, as after its engine or host was started again."""
        mine = self.runtime.instances(ctx, host, self.release_id)
        return any(i.service in services and i.state == "running" and i.health == "starting" for i in mine)

    def _wanted(self, service: str) -> bool:
        return any(s.replicas for s in self.deployment.services if s.name == service)


def _well(instance: Instance) -> bool:
    return instance.state == "running" and instance.health in ("healthy", "none") and bool(instance.address)


def _targets(route: Route, instances: Iterable[Instance]) -> tuple[Endpoint, ...]:
    return tuple(sorted(Endpoint(i.address, route.port, i.id) for i in instances if i.service == route.service))


def _names(route: Route) -> set[str]:
    return {f"{t.address}:{t.port}" for t in route.targets}


def _endpoint(name: str) -> Endpoint:
    address, _, port = name.rpartition(":")
    return Endpoint(address, int(port))


def _held(instances: Iterable[Instance], routes: Iterable[Route]) -> list[int]:
    """Return the ports that routes listen on and running instances publish, sorted."""
    listens = {r.listen for r in routes}
    found = set()
    for instance in instances:
        for port in instance.ports if instance.state == "running" else ():
            number = port.partition("->")[0].rpartition(":")[2]
            if number.isdigit() and int(number) in listens:
                found.add(int(number))
    return sorted(found)
