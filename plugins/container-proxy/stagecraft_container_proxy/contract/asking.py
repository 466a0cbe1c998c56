"""What is asked of a proxy and what it answers: the first half of the suite."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from stagecraft_hookspecs.proxy import Endpoint, Limits

from stagecraft_container_proxy.contract.base import Base
from stagecraft_container_proxy.contract.certificates import make, trusting
from stagecraft_container_proxy.contract.lab import Lab, free_port
from stagecraft_container_proxy.contract.streams import WebSocket, pieces


class AskingSuite(Base):
    """Send requests of every sort."""

    def test_requests_reach_the_service_with_the_clients_address(self, lab: Lab) -> None:
        """The service learns who asked, for which host, and by which scheme; what a client claims is not believed."""
        app = lab.app("blue")
        lab.ensure(lab.route(app))
        assert lab.ask("/x", headers={"X-Forwarded-For": "6.6.6.6"}).body == "blue /x"
        _, headers = app.seen[-1]
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-host"] == "shop.test"
        assert headers["x-forwarded-proto"] == "http"
        assert headers["host"] == "shop.test"

    def test_the_longest_path_of_the_named_host_wins(self, lab: Lab) -> None:
        """A path is whole segments; without a fitting route the answer is 404."""
        web, api, deep, other = (lab.app(name) for name in ("web", "api", "deep", "other"))
        lab.ensure(
            lab.route(web, id="web", hosts=("shop.test",)),
            lab.route(api, id="api", hosts=("shop.test",), path="/api", strip=True),
            lab.route(deep, id="deep", hosts=("shop.test",), path="/api/v2/"),
            lab.route(other, id="other", hosts=("www.shop.test", "blog.test")),
        )
        asked = {path: lab.ask(path).body for path in ("/", "/api", "/api/", "/api/x", "/apix", "/api/v2", "/api/v2/y")}
        assert asked == {
            "/": "web /",
            "/api": "api /",
            "/api/": "api /",
            "/api/x": "api /x",
            "/apix": "web /apix",
            "/api/v2": "deep /api/v2",
            "/api/v2/y": "deep /api/v2/y",
        }
        assert lab.ask(host="blog.test").who == "other"
        assert lab.ask(host="unknown.test").status == 404

    def test_targets_share_the_requests(self, lab: Lab) -> None:
        """Three targets get about a third each."""
        apps = [lab.app(name) for name in "abc"]
        lab.ensure(lab.route(*apps))
        counted = Counter(lab.ask().who for _ in range(60))
        assert min(counted[app.name] for app in apps) >= 10

    def test_a_target_that_refuses_is_passed_over(self, lab: Lab) -> None:
        """A crashed replica costs no request, not even one with a body."""
        dead = Endpoint("127.0.0.1", free_port())
        lab.ensure(lab.route(lab.app("alive"), dead))
        assert {lab.ask(method="POST", body=b"x").status for _ in range(20)} == {200}

    def test_without_targets_there_is_a_maintenance_answer(self, lab: Lab) -> None:
        """503 with Retry-After, for every method, until there is a target."""
        lab.ensure(lab.route())
        for method in ("GET", "POST"):
            answer = lab.ask(method=method, body=b"x")
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
        lab.switch(lab.route(lab.app("blue")))
        assert lab.ask().who == "blue"
        lab.switch(lab.route())
        assert lab.ask().status == 503

    def test_the_maintenance_page_is_the_projects(self, lab: Lab) -> None:
        """The page comes from the project, as it is, and changes with it."""
        if not self.pages:
            pytest.skip(f"{lab.proxy.name} sends no page of its own, and its finding says so")
        page = lab.root / "down.html"
        for text in ("<h1>Soon {env.HOME}</h1>", "<h1>Later</h1>"):
            page.write_text(text)
            lab.ensure(lab.route(page="down.html"))
            answer = lab.ask()
            assert (answer.status, answer.body) == (503, text)
            assert answer.headers["content-type"].startswith("text/html")

    def test_redirects(self, lab: Lab) -> None:
        """To TLS on its port, or to another host, with path and query."""
        make(lab.root, "shop.test")
        secure = free_port(lab.address)
        given = {"tls": "given", "certificate": "shop.test.crt", "key": "shop.test.key", "hosts": ("shop.test",)}
        lab.ensure(
            lab.route(lab.app("web"), id="web", listen=secure, **given),
            lab.route(id="to-tls", hosts=("shop.test",), redirect="https"),
            lab.route(id="to-host", hosts=("www.shop.test",), redirect="shop.test"),
        )
        answer = lab.ask("/a/b?c=d%20e")
        assert (answer.status, answer.headers["location"]) == (
            self.redirects,
            f"https://shop.test:{secure}/a/b?c=d%20e",
        )
        answer = lab.ask("/a?b", host="www.shop.test")
        assert (answer.status, answer.headers["location"]) == (self.redirects, f"http://shop.test:{lab.port}/a?b")

    def test_tls_by_a_given_certificate(self, lab: Lab) -> None:
        """Each host gets its own; a renewed one is taken over; the key on the host is its owner's alone."""
        names = ("shop.test", "blog.test")
        roots = {name: make(lab.root, name) for name in names}
        routes = tuple(
            lab.route(lab.app(name), id=name, hosts=(name,), tls="given", certificate=f"{name}.crt", key=f"{name}.key")
            for name in names
        )
        lab.ensure(*routes)
        for name in names:
            assert lab.ask(host=name, tls=trusting(roots[name])).who == name
        renewed = make(lab.root, "shop.test")
        lab.ensure(*routes)
        assert lab.ask(host="shop.test", tls=trusting(renewed)).who == "shop.test"
        keys = list(Path(lab.ctx.home()).rglob("*.key"))
        assert [path.stat().st_mode & 0o077 for path in keys] == [0, 0]

    def test_limits(self, lab: Lab) -> None:
        """A body that is too large is answered with 413, a service that does not begin its answer with 504."""
        app = lab.app("web")
        lab.ensure(lab.route(app, limits=Limits(body=1000, timeout=0.5)))
        assert lab.ask(method="POST", body=b"x" * 1000).status == 200
        assert lab.ask(method="POST", body=b"x" * 1001).status == 413
        begun = time.monotonic()
        assert lab.ask("/slow/8").status == 504
        assert time.monotonic() - begun < 6

    def test_answers_are_passed_on_piece_by_piece(self, lab: Lab) -> None:
        """A stream of events is not collected first."""
        lab.ensure(lab.route(lab.app("web")))
        times = pieces(lab.address, lab.port, "/stream/8")
        assert len(times) == 8
        assert times[-1] - times[0] > 0.4

    def test_websockets(self, lab: Lab) -> None:
        """They work, they live through switches, and count as in flight until they end."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        with WebSocket(lab.address, lab.port) as open_one:
            assert open_one.echo(b"one") == b"one"
            lab.switch(lab.route(green))
            assert open_one.echo(b"two") == b"two"
            assert lab.drain(blue, 0.3) == (blue.endpoint,)
        assert lab.drain(blue, 10) == ()

    def test_a_silent_websocket_is_ended(self, lab: Lab) -> None:
        """One that talks stays."""
        if not self.idles:
            pytest.skip(f"{lab.proxy.name} ends no silent stream, and its finding says so")
        lab.ensure(lab.route(lab.app("web"), limits=Limits(idle=1.0)))
        with WebSocket(lab.address, lab.port) as talking:
            for _ in range(6):
                assert talking.echo(b"x") == b"x"
                time.sleep(0.3)
            begun = time.monotonic()
            assert talking.read() == b""
            assert time.monotonic() - begun < 10
