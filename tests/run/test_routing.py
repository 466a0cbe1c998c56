"""In which order a release's routes move around the runtime's steps, whatever proxy and runtime there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Proxy, Route
from stagecraft_hookspecs.runtime import Deployment, Instance, Service
from stagecraft_hookspecs.values import Host

from stagecraft.run.routing import Former, Router

HOST = Host("one")


class World:
    """Be a host's proxy and runtime at once, and write down what is asked of them."""

    def __init__(self, *instances: Instance) -> None:
        self.happened: list[str] = []
        self.present = list(instances)
        self.table: dict[str, tuple[str, ...]] = {}
        self.lies = False

    def observe(self, ctx: Any, host: Host) -> tuple[Instance, ...]:
        return tuple(self.present)

    def instances(self, ctx: Any, host: Host, release_id: str) -> tuple[Instance, ...]:
        return tuple(i for i in self.present if i.release_id == release_id)

    def ensure(self, ctx: Any, host: Host, routes: tuple[Route, ...]) -> None:
        self.happened.append("ensure")

    def switch(self, ctx: Any, host: Host, routes: tuple[Route, ...]) -> None:
        self.table = {r.id: tuple(f"{t.address}:{t.port}" for t in r.targets) for r in routes}
        self.happened.append("lead " + " ".join(f"{i}={','.join(t) or '-'}" for i, t in sorted(self.table.items())))

    def serving(self, ctx: Any, host: Host) -> Mapping[str, tuple[str, ...]]:
        return {} if self.lies else self.table

    def drain(self, ctx: Any, host: Host, targets: tuple[Endpoint, ...], deadline: float) -> tuple[Endpoint, ...]:
        self.happened.append(f"drain {','.join(t.address for t in targets)} for {deadline:g} s")
        return ()

    def remove(self, ctx: Any, host: Host) -> None:
        self.happened.append("remove")


def instance(service: str, release: str, address: str, **more: Any) -> Instance:
    return Instance(service, "one", f"{service}-{release}", "running", "healthy", release, address=address, **more)


def service(name: str, listen: int, **more: Any) -> Service:
    return Service(name, {}, ("one",), routes=(Route(f"{name}-{listen}", name, listen, 8000, grace=7.0, **more),))


def router(world: Any, *services: Service, former: Former | None = None, proxy: bool = True) -> Router:
    deployment = Deployment("shop", "prod", services, (HOST,))
    return Router(world if proxy else None, world, deployment, "new", lambda: former or Former())


def then(world: World, what: str) -> Callable[[], None]:
    return lambda: world.happened.append(what)


@pytest.fixture
def ctx(tmp_path: Path) -> Any:
    return FakeContext(tmp_path)


WEB = service("web", 80)
NEW, OLD = instance("web", "new", "10.0.0.2"), instance("web", "old", "10.0.0.1")


def test_what_runs_beside_the_old_is_led_to_before_anything_is_replaced(ctx: Any) -> None:
    world = World(OLD, NEW)
    world.table = {"web-80": ("10.0.0.1:8000",)}
    router(world, WEB).switch(ctx, HOST, then(world, "replace"), ())
    assert world.happened == ["lead web-80=10.0.0.2:8000", "replace"]


def test_nothing_is_led_twice_where_nothing_changed(ctx: Any) -> None:
    world = World(NEW)
    world.table = {"web-80": ("10.0.0.2:8000",)}
    router(world, WEB).switch(ctx, HOST, then(world, "replace"), ())
    assert world.happened == ["lead web-80=10.0.0.2:8000", "replace"]


def test_a_proxy_is_only_asked_where_neither_instances_nor_routes_changed(ctx: Any) -> None:
    world = World(NEW)
    world.table = {"web-80": ("10.0.0.2:8000",)}
    before = Former("old", Deployment("shop", "prod", (WEB,), (HOST,)), world)  # type: ignore[arg-type]
    router(world, WEB, former=before).switch(ctx, HOST, then(world, "replace"), (), same=True)
    assert world.happened == ["replace"]
    world.table = {"web-80": ("10.0.0.9:8000",)}
    router(world, WEB, former=before).switch(ctx, HOST, then(world, "replace"), (), same=True)
    assert world.happened[1:] == ["replace", "lead web-80=10.0.0.2:8000"], "it led elsewhere"


def test_other_routes_are_led_though_no_instance_changed(ctx: Any) -> None:
    world = World(NEW)
    world.table = {"web-80": ("10.0.0.2:8000",), "web-81": ("10.0.0.2:8000",)}
    before = Former("old", Deployment("shop", "prod", (service("web", 81), WEB), (HOST,)), world)  # type: ignore[arg-type]
    router(world, WEB, former=before).switch(ctx, HOST, then(world, "replace"), (), same=True)
    assert world.happened == ["lead web-80=10.0.0.2:8000", "replace"]


def test_what_became_of_a_route_meanwhile_is_put_right(ctx: Any) -> None:
    world = World(NEW)
    router(world, WEB).switch(ctx, HOST, lambda: world.table.clear(), ())
    assert world.happened == ["lead web-80=10.0.0.2:8000"] * 2


def test_an_instance_that_came_in_meanwhile_is_led_to(ctx: Any) -> None:
    world, more = World(NEW), attrs.evolve(NEW, id="web-more", address="10.0.0.3")
    router(world, WEB).switch(ctx, HOST, lambda: world.present.append(more), ())
    assert world.happened == ["lead web-80=10.0.0.2:8000", "lead web-80=10.0.0.2:8000,10.0.0.3:8000"]


def test_what_must_stop_first_loses_its_requests_before_and_gets_them_back_after(ctx: Any) -> None:
    world = World(OLD)
    world.table = {"web-80": ("10.0.0.1:8000",)}

    def replace() -> None:
        world.happened.append("replace")
        world.present = [NEW]

    router(world, WEB).switch(ctx, HOST, replace, ("web",))
    assert world.happened == ["lead web-80=-", "drain 10.0.0.1 for 7 s", "replace", "lead web-80=10.0.0.2:8000"]


def test_a_port_that_a_container_still_publishes_is_taken_over_at_the_switch(ctx: Any) -> None:
    world = World(attrs.evolve(OLD, ports=("0.0.0.0:80->8000/tcp",)), NEW)
    found = router(world, WEB)
    found.ensure(ctx, HOST)
    assert world.happened == [] and "port 80 moves" in ctx.logged[0][1]
    found.switch(ctx, HOST, then(world, "replace"), ())
    assert world.happened == ["replace", "ensure", "lead web-80=10.0.0.2:8000"]


def test_a_release_without_proxy_removes_the_former_one(ctx: Any) -> None:
    world = World(NEW)
    before = Former("old", Deployment("shop", "prod", (WEB,), (HOST,)), world)  # type: ignore[arg-type]
    router(world, Service("web", {}, ("one",)), former=before, proxy=False).switch(
        ctx, HOST, then(world, "replace"), ()
    )
    assert world.happened == ["remove", "replace"]


def test_nothing_that_is_well_behind_a_route_is_an_error(ctx: Any) -> None:
    world = World(attrs.evolve(NEW, health="unhealthy"))
    with pytest.raises(ProviderError, match="no instance of web on one is well"):
        router(world, WEB).switch(ctx, HOST, then(world, "replace"), ())


def test_what_is_just_starting_is_waited_for_where_nothing_else_is_well(
    ctx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, looks = World(attrs.evolve(NEW, health="starting")), []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            world.present = [NEW]

    monkeypatch.setattr(ctx, "sleep", sleep)
    router(world, WEB).route(ctx, HOST)
    assert len(looks) == 3
    assert world.happened == ["lead web-80=10.0.0.2:8000"]


def test_what_starts_for_ever_is_not_waited_for_for_ever(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ctx, "monotonic", lambda: now[0])
    monkeypatch.setattr(ctx, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(ProviderError, match="no instance of web on one is well"):
        router(World(attrs.evolve(NEW, health="starting")), WEB).route(ctx, HOST)
    assert 30 < now[0] < 120


def test_a_service_of_no_replicas_needs_nothing_behind_its_route(ctx: Any) -> None:
    world = World()
    router(world, attrs.evolve(WEB, replicas=0)).switch(ctx, HOST, then(world, "replace"), ())
    assert world.happened == ["lead web-80=-", "replace"]


def test_a_proxy_that_leads_elsewhere_is_an_error(ctx: Any) -> None:
    world = World(NEW)
    world.lies = True
    with pytest.raises(ProviderError, match="the proxy on one does not lead web-80 to the new release"):
        router(world, WEB).switch(ctx, HOST, then(world, "replace"), ())


def test_what_was_replaced_is_drained(ctx: Any) -> None:
    world = World(OLD, NEW, instance("cron", "old", "10.0.0.9"))
    router(world, WEB).drain(ctx, HOST)
    assert world.happened == ["drain 10.0.0.1 for 7 s"]


def test_undoing_leads_back_before_and_after(ctx: Any) -> None:
    world = World(OLD, NEW)
    before = Former("old", Deployment("shop", "prod", (WEB,), (HOST,)), world)  # type: ignore[arg-type]
    router(world, WEB, former=before).undo(ctx, HOST, then(world, "undo"))
    assert world.happened == ["lead web-80=10.0.0.1:8000", "undo", "ensure", "lead web-80=10.0.0.1:8000"]


def test_undoing_goes_on_when_the_proxy_cannot_lead_back_yet(ctx: Any) -> None:
    world = World(OLD, NEW)
    lead, tries = world.switch, []

    def refuse(ctx: Any, host: Host, routes: tuple[Route, ...]) -> None:
        tries.append(routes)
        if len(tries) == 1:
            raise ProviderError("the proxy is not running")
        lead(ctx, host, routes)

    world.switch = refuse  # type: ignore[method-assign]
    before = Former("old", Deployment("shop", "prod", (WEB,), (HOST,)), world)  # type: ignore[arg-type]
    router(world, WEB, former=before).undo(ctx, HOST, then(world, "undo"))
    assert world.happened == ["undo", "ensure", "lead web-80=10.0.0.1:8000"]


def test_undoing_the_first_release_removes_its_proxy(ctx: Any) -> None:
    world = World(NEW)
    router(world, WEB).undo(ctx, HOST, then(world, "undo"))
    assert world.happened == ["remove", "undo"]


def test_the_doubles_have_the_contract_s_methods() -> None:
    assert {"ensure", "switch", "serving", "drain", "remove"} <= set(Proxy.__abstractmethods__) <= set(dir(World))
