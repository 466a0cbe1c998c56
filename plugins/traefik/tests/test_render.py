"""What is rendered: held against a model of our own, because Traefik itself is not there (see the README)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import Endpoint, Limits, Route
from stagecraft_hookspecs.values import Severity
from stagecraft_traefik import dynamic, ids, static, told
from stagecraft_traefik.config import Config
from stagecraft_traefik.render import TraefikRenderer

from . import model

BLUE, GREEN = Endpoint("172.18.0.5", 8000, "web-1"), Endpoint("fd00::6", 8000, "web-2")
WEB = Route("web-443", "web", 443, 8000, hosts=("shop.test",), tls="given", certificate="a.crt", key="a.key")
EVERYTHING = (
    attrs.evolve(WEB, targets=(GREEN, BLUE), limits=Limits(1 << 20, 0.5, 60), page="down.html", check="/health"),
    attrs.evolve(WEB, id="api-443", service="api", path="/api", strip=True, tls="acme", hosts=("api.test", "b.test")),
    attrs.evolve(WEB, id="any-8443", listen=8443, hosts=()),
    Route("to-tls", "web", 80, hosts=("shop.test",), redirect="https"),
    Route("to-host", "web", 80, hosts=("www.shop.test",), redirect="shop.test"),
    Route("odd id@{", "odd", 8080, bind="127.0.0.1"),
    Route("six", "odd", 8080, bind="::1"),
)
CONFIG = Config(
    acme_email="a@b.test", acme_ca="https://ca.test/dir", acme_ca_root="ca.pem", trusted_proxies=("10.0.0.0/8",)
)


def rendered(routes: tuple[Route, ...], config: Config = CONFIG) -> tuple[dict[str, Any], dict[str, Any]]:
    files = TraefikRenderer(config).render(routes)
    assert set(files) == {"traefik.yml", "dynamic.yml"}
    return json.loads(files["traefik.yml"].data), json.loads(files["dynamic.yml"].data)


@pytest.mark.parametrize(
    "routes", [EVERYTHING, (), *((route,) for route in EVERYTHING)], ids=lambda routes: str(len(routes))
)
def test_the_files_are_of_the_documented_form(routes: tuple[Route, ...]) -> None:
    fixed, routing = rendered(routes)
    assert model.STATIC(fixed, "static") == []
    assert model.DYNAMIC(routing, "dynamic") == []
    assert model.references(fixed, routing) == []


def test_the_model_finds_faults() -> None:
    fixed, routing = rendered(EVERYTHING)
    routing["http"]["routers"]["web-443"]["middleware"] = []
    routing["http"]["services"]["web-443"]["loadBalancer"]["servers"][0]["url"] = "172.18.0.5:8000"
    routing["http"]["routers"]["six"]["service"] = "seven"
    fixed["providers"]["providersThrottleDuration"] = 2
    assert model.DYNAMIC(routing, "d") == [
        "d.http.routers.web-443: unknown key middleware",
        "d.http.services.web-443.loadBalancer.servers[0].url: '172.18.0.5:8000' is not "
        r"http://(\[[0-9a-f:]+\]|[^\s:/\[\]]+):\d{1,5}",
    ]
    assert len(model.STATIC(fixed, "s")) == 1
    assert model.references(fixed, routing) == ["router six: service seven"]


def test_no_template_stands_in_the_file_of_routes() -> None:
    """Traefik expands ``{{`` there."""
    assert b"{{" not in TraefikRenderer(CONFIG).render(EVERYTHING)["dynamic.yml"].data
    for bad in (attrs.evolve(WEB, hosts=("{{ env `HOME` }}",)), attrs.evolve(WEB, path="/`")):
        with pytest.raises(UserError, match="cannot stand in a rule"):
            rendered((bad,))


def test_other_targets_change_the_file_of_routes_alone() -> None:
    one, two = (rendered((attrs.evolve(WEB, targets=t),)) for t in ((BLUE,), (GREEN, BLUE)))
    assert one[0] == two[0]
    assert one[1] != two[1]
    assert one[1]["http"]["serversTransports"] == two[1]["http"]["serversTransports"]
    servers = two[1]["http"]["services"]["web-443"]["loadBalancer"]["servers"]
    assert servers == [{"url": "http://172.18.0.5:8000"}, {"url": "http://[fd00::6]:8000"}]


def chosen(routes: tuple[Route, ...], host: str, path: str) -> str:
    """Return which router gets a request: of those that match, the one of the highest priority."""
    routers = rendered(routes)[1]["http"]["routers"]
    fitting = {name: r["priority"] for name, r in routers.items() if model.rule_matches(r["rule"], host, path)}
    assert len(set(fitting.values())) == len(fitting), "two routers of one priority"
    return max(fitting, key=lambda name: fitting[name], default="")


@pytest.mark.parametrize(
    ("host", "path", "route"),
    [
        ("shop.test", "/", "web"),
        ("shop.test", "/api", "api"),
        ("shop.test", "/api/x", "api"),
        ("shop.test", "/apix", "web"),
        ("shop.test", "/api/v2/y", "deep"),
        ("blog.test", "/api", "other"),
        ("unknown.test", "/api/v2/long/path", "any"),
    ],
)
def test_the_longest_path_of_the_named_host_wins(host: str, path: str, route: str) -> None:
    routes = (
        Route("web", "web", 80, hosts=("shop.test",)),
        Route("api", "web", 80, hosts=("shop.test",), path="/api"),
        Route("deep", "web", 80, hosts=("shop.test",), path="/api/v2/"),
        Route("other", "web", 80, hosts=("www.shop.test", "blog.test")),
        Route("any", "web", 80, path="/api/v2/long"),
    )
    assert chosen(routes, host, path) == route


def test_redirects_lead_to_the_port_of_the_tls_route() -> None:
    def redirect(*routes: Route) -> Any:
        found = rendered(routes)[1]["http"]["middlewares"]["r-redirect"]
        return next(iter(found.values()))

    to_tls = Route("r", "web", 80, hosts=("shop.test",), redirect="https")
    assert redirect(to_tls, WEB)["port"] == "443"
    assert redirect(to_tls, attrs.evolve(WEB, listen=8443))["port"] == "8443"
    assert redirect(to_tls, attrs.evolve(WEB, listen=8443), WEB)["port"] == "443"
    assert redirect(attrs.evolve(to_tls, redirect="x.test"))["replacement"] == "${1}://x.test${2}"
    assert redirect(attrs.evolve(to_tls, redirect="x.test", listen=8080))["replacement"] == "${1}://x.test:8080${2}"


def test_a_route_without_targets_says_when_to_try_again() -> None:
    routers = rendered((WEB, attrs.evolve(WEB, id="up", targets=(BLUE,))))[1]["http"]["routers"]
    assert routers["web-443"]["middlewares"] == ["retry-after"]
    assert routers["up"]["middlewares"] == ["next-one"]


def test_acme_is_proved_by_http_where_80_is_open_else_over_tls() -> None:
    acme = attrs.evolve(WEB, tls="acme")

    def resolver(*routes: Route) -> Any:
        return rendered(routes)[0]["certificatesResolvers"]["stagecraft"]["acme"]

    assert "tlsChallenge" in resolver(acme)
    assert resolver(acme, Route("r", "web", 80))["httpChallenge"] == {"entryPoint": "p80"}
    assert "certificatesResolvers" not in rendered((WEB,))[0]


def test_only_what_is_read_at_the_start_makes_a_restart() -> None:
    one, two = (static.document(CONFIG, routes) for routes in ((WEB,), (WEB, Route("more", "web", 81))))
    assert static.needs_restart(None, one)
    assert static.needs_restart(one, two)
    assert not static.needs_restart(two, one)
    assert not static.needs_restart(one, static.document(CONFIG, (attrs.evolve(WEB, hosts=("x.test",)),)))
    assert static.needs_restart(one, static.document(attrs.evolve(CONFIG, trusted_proxies=()), (WEB,)))
    assert static.needs_restart(one, static.document(CONFIG, (attrs.evolve(WEB, tls="acme"),)))


@pytest.mark.parametrize("identity", ["web-80", "odd id@{", "~", "é", "a@docker", ""])
def test_ids_survive_the_way_there_and_back(identity: str) -> None:
    name = ids.name_of(identity)
    assert "@" not in name
    assert ids.id_of(f"{name}@file") == identity


def test_what_traefik_tells() -> None:
    routing = dynamic.document(EVERYTHING)["http"]
    data: dict[str, Any] = {
        kind: {f"{name}@file": {**one, "status": "enabled"} for name, one in routing[kind].items()}
        for kind in ("routers", "services", "middlewares")
    }
    data["services"]["api@internal"] = {"status": "enabled"}
    data["routers"]["web-443@file"]["error"] = ['middleware "x@file" does not exist']
    points = [{"name": "p80", "address": ":80"}, {"name": "traefik", "address": "127.130.1.2:8080"}]
    found = told.parse(json.dumps(data), json.dumps(points))
    assert found
    assert set(found.targets) == {route.id for route in EVERYTHING}
    assert found.targets["web-443"] == (Endpoint("172.18.0.5", 8000), Endpoint("fd00::6", 8000))
    assert found.redirects == {"to-tls", "to-host"}
    assert found.places == {("", 80), ("127.130.1.2", 8080)}
    assert found.faults == ('router web-443: middleware "x@file" does not exist',)
    assert told.of_file(static.dumped(dynamic.document(EVERYTHING))).targets == found.targets


@pytest.mark.parametrize("text", ["", "404 page not found", "[]", "{]", '"x"'])
def test_what_is_not_traefiks_answer_is_not_taken_for_it(text: str) -> None:
    assert told.parse(text, "[]") is None
    assert told.of_file(text.encode()).targets == {}


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (WEB, []),
        (attrs.evolve(WEB, tls="acme", hosts=()), [("traefik-acme-hosts", Severity.ERROR)]),
        (
            Route("r", "web", 80, redirect="https"),
            [("traefik-redirect-nowhere", Severity.WARNING), ("traefik-redirect-status", Severity.INFO)],
        ),
        (attrs.evolve(WEB, page="down.html"), [("traefik-no-page", Severity.WARNING)]),
        (attrs.evolve(WEB, limits=Limits(idle=60)), [("traefik-no-idle", Severity.WARNING)]),
        (attrs.evolve(WEB, limits=Limits(body=1)), [("traefik-buffers", Severity.INFO)]),
    ],
)
def test_findings(route: Route, said: list[tuple[str, Severity]]) -> None:
    found = TraefikRenderer(CONFIG).findings((route,))
    assert [(f.code, f.severity) for f in found] == [*said, ("traefik-unmeasured", Severity.WARNING)]
    assert all(f.hint and f.services == ("web",) for f in found)
    assert TraefikRenderer(CONFIG).findings(()) == ()
