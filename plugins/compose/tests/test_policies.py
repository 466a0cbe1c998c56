from __future__ import annotations

from typing import Any

import pytest
from stagecraft_compose.render import ComposeRenderer
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.runtime import Deployment, Order, Service, Update
from stagecraft_hookspecs.values import LOCAL, Image, Severity

CHECK = {"healthcheck": {"test": ["CMD", "true"]}}
PORT = {"ports": [{"target": 80, "published": "8080", "protocol": "tcp"}]}


def draft(services: dict[str, dict[str, Any]], order: Order | None = None) -> Any:
    made = tuple(
        Service(n, {**CHECK, **d}, ("local",), 1, Image("busybox:1"), None, Update(order))
        for n, d in sorted(services.items())
    )
    return ComposeRenderer().render(Deployment("shop", "prod", made, (LOCAL,)))


@pytest.mark.parametrize(
    ("definition", "order", "reason"),
    [
        ({}, "start-first", "nothing keeps two instances from running side by side"),
        (PORT, "stop-first", "publishes host port 8080"),
        ({"ports": ["127.0.0.1:81:80"]}, "stop-first", "publishes host port 81"),
        ({"ports": [{"target": 80}]}, "start-first", "nothing keeps two instances from running side by side"),
        ({"ports": ["80"], "expose": ["80"]}, "start-first", "nothing keeps two instances from running side by side"),
        ({"container_name": "web"}, "stop-first", "has container_name 'web'"),
        ({"network_mode": "host"}, "stop-first", "has network_mode 'host'"),
        ({"network_mode": "service:x"}, "stop-first", "has network_mode 'service:x'"),
        ({"network_mode": "none"}, "start-first", "nothing keeps two instances from running side by side"),
        ({"networks": {"n": {"ipv4_address": "10.0.0.9"}}}, "stop-first", "has a fixed network address"),
        ({"volumes": [{"type": "volume", "source": "d", "target": "/d"}]}, "stop-first", "writes to volume d"),
        ({"volumes": ["d:/d:ro"]}, "start-first", "nothing keeps two instances from running side by side"),
        ({"volumes": ["/d"]}, "stop-first", "writes to an anonymous volume at /d"),
        ({"volumes": [{"type": "bind", "source": "./d", "target": "/d"}]}, "stop-first", "writes to bind mount /d"),
        (
            {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]},
            "start-first",
            "nothing keeps two instances from running side by side",
        ),
        (
            {"volumes": [{"type": "tmpfs", "target": "/t"}]},
            "start-first",
            "nothing keeps two instances from running side by side",
        ),
        ({"restart": "no"}, "stop-first", "runs once and finishes"),
        ({"x-stagecraft": {"order": "stop-first"}}, "stop-first", "the compose file asks for it"),
    ],
)
def test_what_rules_start_first_out(definition: dict[str, Any], order: str, reason: str) -> None:
    policy = draft({"web": definition}).policies["web"]

    assert (policy.order.value, policy.reason) == (order, reason)


def test_a_service_that_others_wait_for_to_complete_runs_once() -> None:
    waits = {"depends_on": {"init": {"condition": "service_completed_successfully"}}}

    assert draft({"init": {}, "web": waits}).policies["init"].reason == "runs once and finishes"


def test_start_first_where_it_cannot_be_is_an_error_with_a_way_out() -> None:
    (finding,) = [f for f in draft({"web": PORT}, Order.START_FIRST).findings if f.severity is Severity.ERROR]

    assert finding.code == "start-first-host-port"
    assert finding.message == "web: cannot be replaced start-first: it publishes host port 8080"
    assert "proxy" in finding.hint
    assert finding.path == ("services", "web", "deploy", "update_config", "order")


@pytest.mark.parametrize(
    ("definition", "code", "severity"),
    [
        ({"healthcheck": {"disable": True}}, "no-healthcheck", "warning"),
        ({"healthcheck": {"test": ["NONE"]}}, "no-healthcheck", "warning"),
        (PORT, "start-first-host-port", "info"),
        ({"volumes": ["d:/d"]}, "single-writer-volume", "info"),
        ({"stop_grace_period": "5s", "x-stagecraft": {"drain": "20s"}}, "stop-grace-shorter-than-drain", "warning"),
        ({"command": ["run", "<secret:TOKEN>"]}, "secret-outside-environment", "error"),
        ({"labels": {"a": "<secret:TOKEN>"}}, "secret-outside-environment", "error"),
        ({"x-stagecraft": {"order": "sideways"}}, "unknown-order", "error"),
    ],
)
def test_what_is_noticed(definition: dict[str, Any], code: str, severity: str) -> None:
    (finding,) = draft({"web": definition}).findings

    assert (finding.code, finding.severity.value, finding.services) == (code, severity, ("web",))
    assert finding.hint
    assert finding.path[:2] == ("services", "web")


def test_a_plain_service_with_a_healthcheck_and_a_secret_in_its_environment_is_fine() -> None:
    assert draft({"web": {"environment": {"TOKEN": "<secret:TOKEN>"}, "restart": "always"}}).findings == ()


def test_a_sidecar_on_other_hosts_than_its_neighbour_is_refused() -> None:
    side = Service("side", {**CHECK, "network_mode": "service:web"}, ("local",), 1, Image("busybox:1"))
    web = Service("web", CHECK, ("elsewhere",), 1, Image("busybox:1"))
    found = ComposeRenderer().render(Deployment("shop", "prod", (side, web), (LOCAL,))).findings

    assert "split-neighbours" in [f.code for f in found if f.severity is Severity.ERROR]


ROUTE = (Route("web-80", "web", 80, 8000),)


@pytest.mark.parametrize(
    ("definition", "networks", "refused"),
    [
        ({}, {}, False),
        ({"networks": {"default": None}}, {}, False),
        ({"network_mode": "bridge"}, {}, False),
        ({"network_mode": "host"}, {}, True),
        ({"network_mode": "none"}, {}, True),
        ({"network_mode": "service:db"}, {}, True),
        ({"networks": {"lan": None}}, {"lan": {"driver": "macvlan"}}, True),
        ({"networks": {"lan": None, "own": None}}, {"lan": {"driver": "macvlan"}, "own": {}}, False),
    ],
)
def test_a_proxied_service_needs_an_address_that_its_host_reaches(
    definition: dict[str, Any], networks: dict[str, Any], refused: bool
) -> None:
    web = Service("web", {**CHECK, **definition}, ("local",), 1, Image("busybox:1"), routes=ROUTE)
    db = Service("db", CHECK, ("local",), 1, Image("busybox:1"))
    found = ComposeRenderer().render(Deployment("shop", "prod", (db, web), (LOCAL,), {"networks": networks})).findings
    errors = [f.code for f in found if f.severity is Severity.ERROR]

    assert errors == (["route-without-address"] if refused else [])


def test_a_service_whose_ports_went_to_a_proxy_is_start_first() -> None:
    web = Service("web", CHECK, ("local",), 1, Image("busybox:1"), routes=ROUTE)
    draft = ComposeRenderer().render(Deployment("shop", "prod", (web,), (LOCAL,)))

    assert draft.policies["web"].order is Order.START_FIRST


def test_what_pause_comes_to_is_said() -> None:
    definition = {"deploy": {"update_config": {"failure_action": "pause"}}}

    assert [f.code for f in draft({"web": definition}).findings] == ["failure-action-pause"]
