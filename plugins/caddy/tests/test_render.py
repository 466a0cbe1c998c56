"""What is rendered: Caddy itself accepts it, targets are no part of the configuration, and lines are what they must be."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from stagecraft_caddy import status, targets
from stagecraft_caddy.config import Config
from stagecraft_caddy.render import CaddyRenderer, digest_of
from stagecraft_container_proxy.contract.certificates import make
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import Endpoint, Limits, Route
from stagecraft_hookspecs.values import Severity

from .conftest import caddy

BLUE, GREEN = Endpoint("172.18.0.5", 8000, "web-1"), Endpoint("fd00::6", 8000, "web-2")
WEB = Route(
    "web-443", "web", 443, 8000, hosts=("shop.test",), tls="given", certificate="shop.test.crt", key="shop.test.key"
)
EVERYTHING = (
    attrs.evolve(WEB, targets=(BLUE, GREEN), limits=Limits(1 << 20, 30, 60), page="down.html", check="/health"),
    attrs.evolve(WEB, id="api-443", service="api", path="/api", strip=True, tls="acme", hosts=("api.test",)),
    Route("web-80-to-https", "web", 80, hosts=("shop.test",), redirect="https"),
    Route("www-80", "web", 80, hosts=("www.shop.test",), redirect="shop.test"),
    Route("odd id}{", "odd", 8080, bind="127.0.0.1"),
    Route("six", "odd", 8080, bind="::1"),
)


@pytest.mark.needs("docker")
def test_caddy_accepts_everything_that_a_route_can_say(image: str, tmp_path: Path) -> None:
    make(tmp_path, "shop.test")
    config = Config(acme_email="a@b.test", acme_ca="https://ca.test/dir", trusted_proxies=("10.0.0.0/8",))
    for path, file in CaddyRenderer(config).render(EVERYTHING).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(file.data)
    (tmp_path / "tls").mkdir()
    for end in ("crt", "key"):
        (tmp_path / f"shop.test.{end}").rename(tmp_path / f"tls/web-443.{end}")
    done = caddy("validate", "--config", "/stagecraft/caddy.json", folder=tmp_path)
    assert (done.returncode, "Valid configuration" in done.stderr + done.stdout) == (0, True), done.stderr


def test_other_targets_are_another_file_and_the_same_configuration() -> None:
    one = CaddyRenderer(Config()).render((attrs.evolve(WEB, targets=(BLUE,)),))
    two = CaddyRenderer(Config()).render((attrs.evolve(WEB, targets=(GREEN, BLUE)),))
    assert one["caddy.json"] == two["caddy.json"]
    assert one["targets/web-443"] != two["targets/web-443"]


def test_the_configurations_digest_changes_with_it_and_is_what_a_running_caddy_tells() -> None:
    def digest(*routes: Route) -> str:
        return digest_of(CaddyRenderer(Config()).render(routes)["caddy.json"].data)

    assert len(digest(WEB)) == 64
    assert len({digest(WEB), digest(), digest(attrs.evolve(WEB, path="/x")), digest(attrs.evolve(WEB, port=1))}) >= 3
    assert digest(*EVERYTHING) == digest(*reversed(EVERYTHING))


def test_no_secret_stands_in_the_configuration() -> None:
    files = CaddyRenderer(Config()).render(EVERYTHING)
    assert set(files) == {"caddy.json", *(f"targets/{name}" for name in ("web-443", "api-443", "six"))} | {
        path for path in files if len(path) == len("targets/") + 64
    }
    assert not any(file.secret for file in files.values())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_each_target_fills_its_share_of_the_slots(count: int) -> None:
    given = tuple(Endpoint(f"10.0.0.{n}", 80) for n in range(1, count + 1))
    words = targets.line(given, targets.SLOTS).decode().split()
    assert words[0] == "keep-alive"
    assert len(words) == 1 + 2 * targets.SLOTS
    shares = [words.count(t.address) for t in given]
    assert max(shares) - min(shares) <= 1
    assert set(targets.endpoints(" ".join(words))) == set(given)


def test_more_targets_than_slots_are_more_slots() -> None:
    many = attrs.evolve(WEB, targets=tuple(Endpoint(f"10.0.0.{n}", 80) for n in range(1, 14)))
    assert targets.slots((WEB,)) == 12
    assert targets.slots((WEB, many)) == 24
    assert len(targets.endpoints(CaddyRenderer(Config()).render((many,))["targets/web-443"].data.decode())) == 13


@pytest.mark.parametrize("address", ["{env.HOME}", "a b", "", "10.0.0.1\n10.0.0.2"])
def test_an_address_that_would_change_the_line_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="is no address"):
        targets.line((Endpoint(address, 80),), 12)


@pytest.mark.parametrize("text", ["", "nonsense", "<html>", "route x", "listen * 80"])
def test_what_is_not_caddys_answer_is_not_taken_for_it(text: str) -> None:
    assert status.parse(text) is None


def test_an_old_caddy_is_told_by_the_placeholder_that_it_gives_back() -> None:
    document = json.loads(CaddyRenderer(Config()).render((WEB,))["caddy.json"].data)
    body = document["apps"]["http"]["servers"]["status"]["routes"][1]["handle"][0]["body"]
    old = status.parse(body)
    assert old
    assert not old.able


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ((attrs.evolve(WEB, targets=(BLUE,)),), []),
        ((WEB, attrs.evolve(WEB, id="x", tls="off")), [("caddy-mixed-tls", Severity.ERROR)]),
        ((attrs.evolve(WEB, tls="acme", hosts=()),), [("caddy-acme-hosts", Severity.ERROR)]),
        ((Route("r", "web", 80, redirect="https"),), [("caddy-redirect-nowhere", Severity.WARNING)]),
        ((Route("r", "web", 80, redirect="https"), WEB), []),
        ((attrs.evolve(WEB, check="/up"),), [("caddy-no-checks", Severity.INFO)]),
    ],
)
def test_findings(routes: tuple[Route, ...], said: list[tuple[str, Severity]]) -> None:
    found = CaddyRenderer(Config()).findings(routes)
    assert [(f.code, f.severity) for f in found] == said
    assert all(f.hint and f.services for f in found)
