"""What a proxy sends where, made from the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ConfigError
from stagecraft_hookspecs.proxy import Limits

from stagecraft.config import find, read, resolve
from stagecraft.kernel import Kernel, scan
from stagecraft.loading import load_project
from stagecraft.plan.deployment import make_deployment
from stagecraft.plan.planner import make_plan

COMPOSE = """
services:
  web: {image: "web:1", ports: ["8080:80"], stop_grace_period: 20s}
  api: {image: "api:1", ports: ["127.0.0.1:9000:9000"]}
  cache: {image: "redis:7", ports: ["6379:6379"]}
  sql: {image: "db:1", ports: ["9999:9999"]}
"""
HEAD = """
project: {name: shop}
runtime: compose
databases: {main: {service: sql}}
hosts: {app: [one, two]}
proxy: haproxy
"""


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    """Load a project whose services stand behind a proxy."""

    def make(services: str = "", compose: str = COMPOSE, head: str = HEAD) -> Any:
        (tmp_path / "docker-compose.yml").write_text(compose)
        (tmp_path / "stagecraft.yml").write_text(head + services)
        kernel = Kernel(scan())
        config = resolve(read(find(tmp_path, None, {}), {}), None, kernel.lookup, kernel.catalog.defaults)
        return load_project(config, kernel, environ={})

    return make


def routes(project: Any) -> dict[str, Any]:
    return {r.id: r for s in make_deployment(project).services for r in s.routes}


def test_published_http_ports_become_routes_and_leave_the_service(plan: Any) -> None:
    deployment = make_deployment(plan())
    found = {s.name: s for s in deployment.services}
    assert [(r.listen, r.port, r.bind, r.grace) for r in found["web"].routes] == [(8080, 80, "", 20.0)]
    assert [(r.listen, r.port, r.bind) for r in found["api"].routes] == [(9000, 9000, "127.0.0.1")]
    assert "ports" not in found["web"].definition and "ports" not in found["api"].definition


def test_what_speaks_no_http_stays_with_its_container_and_the_plan_says_so(plan: Any) -> None:
    project = plan()
    found = {s.name: s for s in make_deployment(project).services}
    assert found["cache"].routes == found["sql"].routes == ()
    assert found["cache"].definition["ports"] and found["sql"].definition["ports"]
    beside = [f.services for f in make_plan(project).plan.findings if f.code == "port-beside-proxy"]
    assert beside == [("cache",), ("sql",)]


def test_it_can_be_asked_for_and_forbidden(plan: Any) -> None:
    found = routes(plan("services: {cache: {proxy: true}, web: {proxy: false}}"))
    assert sorted(found) == ["api-9000", "cache-6379"]


def test_a_domain_with_tls_listens_on_443_and_redirects_from_80(plan: Any) -> None:
    found = routes(
        plan(
            "services: {web: {proxy: {domains: [b.example, a.example], redirect_from: [www.a.example], tls: given,"
            " certificate: c.pem, key: k.pem, max_body: 10MB, timeout: 30s, idle: 1h, page: down.html, check: /up}}}"
        )
    )
    route, moved, plain = found["web-443"], found["web-443-moved"], found["web-80-redirect"]
    assert (route.hosts, route.port, route.tls, route.check) == (("a.example", "b.example"), 80, "given", "/up")
    assert (route.certificate, route.key, route.page) == ("c.pem", "k.pem", "down.html")
    assert route.limits == Limits(10 * 1024 * 1024, 30.0, 3600.0)
    assert (moved.hosts, moved.redirect, moved.tls) == (("www.a.example",), "b.example", "given")
    assert (plain.listen, plain.redirect, plain.tls) == (80, "https", "off")
    assert plain.hosts == ("a.example", "b.example", "www.a.example")


def test_several_routes_to_one_service(plan: Any) -> None:
    found = routes(plan("services: {web: {proxy: [{path: /a, strip: true}, {path: /b}]}}"))
    assert [(i, r.path, r.strip) for i, r in sorted(found.items()) if i.startswith("web")] == [
        ("web-8080", "/a", True),
        ("web-8080-2", "/b", False),
    ]


@pytest.mark.parametrize(
    ("services", "compose", "message"),
    [
        ("services: {web: {proxy: true}}", "services: {web: {image: x}}", "publishes no single port"),
        ("services: {web: {proxy: {}}}", "services: {web: {image: x, expose: ['80']}}", "port 80 is not published"),
        ("services: {web: {proxy: {tls: given}}}", COMPOSE, "needs `certificate` and `key`"),
        ("services: {web: {proxy: {tls: acme}}}", COMPOSE, "needs `domains`"),
        ("services: {web: {proxy: {listen: 9000}}}", COMPOSE, "api and web both get every host/ on port 9000 of one"),
        (
            "services: {web: {proxy: {listen: 9000, domains: [a.b], tls: given, certificate: c, key: k}}}",
            COMPOSE,
            "port 9000 on one is plain for api and TLS for web",
        ),
    ],
)
def test_what_cannot_be_routed_is_refused_with_its_place(plan: Any, services: str, compose: str, message: str) -> None:
    head = HEAD if compose is COMPOSE else HEAD.replace("databases: {main: {service: sql}}\n", "")
    with pytest.raises(ConfigError) as error:
        make_deployment(plan(services, compose, head))
    assert message in str(error.value)
    assert error.value.where is not None and error.value.where.line > 1


def test_a_runtime_that_no_proxy_reaches_is_refused(plan: Any) -> None:
    project = plan(head=HEAD.replace("runtime: compose", "runtime: process").replace("hosts: {app: [one, two]}\n", ""))
    made = make_plan(project).plan
    assert "proxy-unused" in {f.code for f in made.findings}
    assert not [o for o in made.operations if o.action == "proxy.ensure"]


def test_every_host_has_its_proxy_before_any_is_switched(plan: Any) -> None:
    made = make_plan(plan()).plan
    operations = {o.id: o for o in made.operations}
    assert operations["proxy:one"].action == "proxy.ensure"
    assert {"proxy:one", "proxy:two", "prepare:one", "prepare:two"} <= set(operations["switch:one"].depends_on)
    assert [o.id for o in made.operations if o.action == "runtime.preflight"] == ["preflight:one", "preflight:two"]
    assert made.services[-1].routes == ("http://*:8080/ -> web:80",)
