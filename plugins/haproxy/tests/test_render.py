"""The configuration is the same for the same routes, holds what users write as one word, and has a digest of its shape."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_haproxy import names, render
from stagecraft_haproxy.config import Config
from stagecraft_haproxy.quoting import word
from stagecraft_hookspecs.errors import ProviderError, UserError
from stagecraft_hookspecs.proxy import Endpoint, Limits, Route

ONE, TWO = Endpoint("10.0.0.1", 8000), Endpoint("fd00::2", 8000)
WEB = Route("web", "web", 80, 8000, targets=(ONE,))


def config(*routes: Route, **more: object) -> str:
    return render.build(routes, Config(**more))[names.CONFIG].data.decode()  # type: ignore[arg-type]


def codes(*routes: Route) -> list[str]:
    return [f"{f.severity} {f.code}" for f in render.HaproxyRenderer(Config()).findings(routes)]


def test_targets_are_no_part_of_the_structure_and_all_else_is() -> None:
    def shape(*routes: Route) -> str:
        return render.structure_of(config(*routes).encode())

    base = shape(WEB)
    assert len(base) == 16
    assert shape(attrs.evolve(WEB, targets=())) == shape(attrs.evolve(WEB, targets=(TWO,))) == base
    others = [
        attrs.evolve(WEB, **change)
        for change in (
            {"id": "www"},
            {"listen": 81},
            {"bind": "10.0.0.9"},
            {"hosts": ("a.test",)},
            {"path": "/a"},
            {"check": "/up"},
            {"limits": Limits(1)},
            {"redirect": "https"},
        )
    ]
    assert len({base, *map(shape, others)}) == len(others) + 1


def test_servers_are_named_by_their_address_sorted_and_watched() -> None:
    text = config(attrs.evolve(WEB, targets=(TWO, ONE)))
    lines = [line.split()[1:4] for line in text.splitlines() if line.startswith("    server ")]
    assert lines == [["10.0.0.1:8000", "10.0.0.1:8000", "check"], ["fd00::2:8000", "[fd00::2]:8000", "check"]]


def test_the_order_of_routes_does_not_matter() -> None:
    api = attrs.evolve(WEB, id="api", path="/api")
    assert config(WEB, api) == config(api, WEB)


def test_certificates_are_listed_with_their_names() -> None:
    tls = {"listen": 443, "tls": "given", "certificate": "c.pem", "key": "k.pem"}
    shop = attrs.evolve(WEB, id="shop", hosts=("Shop.test",), **tls)
    files = render.build((shop, attrs.evolve(shop, id="api", hosts=("api.test",), path="/api")), Config())
    assert files["certs/f.443.list"].data.decode() == f"{names.pem('c.pem', 'k.pem')} api.test shop.test\n"
    any_host = render.build((shop, attrs.evolve(shop, id="any", hosts=())), Config())
    assert any_host["certs/f.443.list"].data.decode() == f"{names.pem('c.pem', 'k.pem')}\n"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"tls": "acme"}, ["error haproxy-acme"]),
        ({"tls": "given"}, ["error haproxy-no-certificate"]),
        ({"hosts": ("a b",)}, ["error haproxy-host"]),
        ({"hosts": ("a.test\n    use_backend x",)}, ["error haproxy-host"]),
        ({"redirect": "x/../y"}, ["error haproxy-host"]),
        ({"path": "api"}, ["error haproxy-path"]),
        ({"path": "/a\nb"}, ["error haproxy-path"]),
        ({"check": "/up\r\nX: y"}, ["error haproxy-path"]),
        ({"bind": "::1 ssl"}, ["error haproxy-bind"]),
        ({"redirect": "https"}, ["warning haproxy-redirect"]),
        ({}, []),
    ],
)
def test_findings_of_one_route(change: dict[str, object], found: list[str]) -> None:
    route = attrs.evolve(WEB, **change)
    assert codes(route) == found
    if any(code.startswith("error") for code in found):
        with pytest.raises(UserError):
            config(route)


def test_acme_says_which_proxies_can() -> None:
    finding = render.HaproxyRenderer().findings((attrs.evolve(WEB, tls="acme"),))[0]
    assert "caddy or traefik" in finding.hint


def test_findings_of_two_routes() -> None:
    tls = attrs.evolve(WEB, id="tls", tls="given", certificate="c", key="k", path="/x")
    assert codes(WEB, tls) == ["error haproxy-mixed-tls"]
    assert codes(WEB, attrs.evolve(WEB, id="two", path="")) == ["warning haproxy-shadowed"]


def test_a_target_must_be_an_address() -> None:
    with pytest.raises(ProviderError, match="is no IP address"):
        config(attrs.evolve(WEB, targets=(Endpoint("web", 80),)))


@given(st.text(min_size=1))
def test_a_routes_backend_is_one_word_and_gives_its_id_back(route_id: str) -> None:
    route_id = route_id.encode(errors="replace").decode()
    name = names.backend(route_id)
    assert name.isascii() and all(c.isalnum() or c in "._-" for c in name)
    assert names.route_of(name) == route_id


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs"))))
def test_a_word_is_read_back_as_it_was(text: str) -> None:
    import shlex

    assert shlex.split(word(text)) == [text]  # within single quotes HAProxy reads as a POSIX shell does
