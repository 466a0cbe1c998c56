"""Two environments never meet, however they are spelt."""

from __future__ import annotations

import ipaddress
import re

from stagecraft_container_proxy.names import Names, filename, hostport


def test_names_differ_where_projects_and_environments_do() -> None:
    pairs = [("a-b", "c"), ("a", "b-c"), ("A-b", "c"), ("a_b", "c")]
    made = [Names("caddy", *pair) for pair in pairs]
    assert len({n.container for n in made}) == len({n.loopback for n in made}) == len(pairs)
    assert Names("caddy", "a", "b").container != Names("traefik", "a", "b").container


def test_names_are_what_the_engine_and_the_host_take() -> None:
    for project in ("shop", "Ünïcode & Co", "x" * 300, "--"):
        names = Names("caddy", project, "prod")
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,100}", names.container)
        assert ipaddress.ip_address(names.loopback) in ipaddress.ip_network("127.128.0.0/9")


def test_a_routes_file_stays_in_its_folder_and_ends_no_placeholder() -> None:
    assert filename("web-80") == "web-80"
    for odd in ("../../etc/passwd", "a}b", "a b", "", ".hidden", "é", "x" * 200):
        assert re.fullmatch(r"[0-9a-f]{64}", filename(odd))


def test_an_ipv6_address_is_bracketed() -> None:
    assert hostport("fd00::1", 80) == "[fd00::1]:80"
    assert hostport("", 80) == ":80"
