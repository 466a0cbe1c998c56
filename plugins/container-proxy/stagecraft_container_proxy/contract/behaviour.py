"""What users see of a proxy in a container, by real requests through the real thing."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.proxy import Endpoint, Limits, Proxy
from stagecraft_hookspecs.values import LOCAL

from stagecraft_container_proxy.contract.apps import Loop
from stagecraft_container_proxy.contract.certificates import make, trusting
from stagecraft_container_proxy.contract.context import LocalContext
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port
from stagecraft_container_proxy.contract.load import Load
from stagecraft_container_proxy.contract.streams import WebSocket, pieces


class ProxyBehaviour:
    """Give the fixture ``proxy``. The attributes say what a proxy cannot do, as its findings say too.

    Attributes:
        pages: Whether it sends a page of the project for maintenance.
        redirects: The status of a redirect.
        idles: Whether it ends silent streams.
    """

    pages: ClassVar[bool] = True
    redirects: ClassVar[int] = 308
    idles: ClassVar[bool] = True

    @pytest.fixture
    def proxy(self) -> Proxy:
        """Return the proxy."""
        pytest.fail(f"give {type(self).__name__} a fixture `proxy`", pytrace=False)

    @pytest.fixture
    def lab(self, proxy: Proxy, tmp_path: Path) -> Iterator[Lab]:
        """Make an environment, and remove it."""
        loop = Loop()
        lab = Lab(proxy, tmp_path, loop)
        yield lab
        lab.close()
        loop.close()

    # Requests

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

    # Switching

    def test_a_switch_under_load_loses_nothing(self, lab: Lab) -> None:
        """POSTs on kept-alive connections at a constant rate, over twenty switches, each drained to the end."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        with Load(lab.address, lab.port, rate=150) as load:
            for number in range(20):
                new, old = (green, blue) if number % 2 == 0 else (blue, green)
                lab.switch(lab.route(new))
                assert lab.drain(old, 30) == ()
                served = old.served
                time.sleep(0.1)
                assert old.served == served
        assert load.lost == Counter()
        assert set(load.answers) == {"blue", "green"}

    def test_drain_waits_for_what_is_in_flight(self, lab: Lab) -> None:
        """A slow request on the old target is answered, and drain returns once it is."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        answers: list[str] = []
        slow = threading.Thread(target=lambda: answers.append(lab.ask("/slow/1.5", method="POST", body=b"x").who))
        slow.start()
        eventually(lambda: blue.seen)
        lab.switch(lab.route(green))
        assert lab.ask().who == "green"
        assert lab.drain(blue, 0.2) == (blue.endpoint,)
        assert lab.drain(blue, 30) == ()
        slow.join(20)
        assert answers == ["blue"]

    def test_serving_is_what_the_proxy_says(self, lab: Lab) -> None:
        """Also where the files on the host say something else."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue, green), lab.route(id="none", hosts=("none.test",)))
        assert lab.serving() == {"none": (), "web-80": tuple(sorted((blue.shown, green.shown)))}
        docker("stop", lab.container)
        with pytest.raises(ProviderError, match="does not run"):
            lab.serving()

    # The container

    def test_ensure_changes_no_targets_and_recreates_nothing(self, lab: Lab) -> None:
        """Other settings wait, and the log says so; new listeners are had without another container."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        identity = docker("inspect", "--format", "{{.Id}}", lab.container)
        second = free_port(lab.address)
        lab.ensure(lab.route(green), lab.route(green, id="more", listen=second))
        assert (lab.ask().who, lab.ask(port=second).who) == ("blue", "green")
        config = attrs.evolve(lab.proxy.config, image="registry.invalid/other:1")
        type(lab.proxy)(config).ensure(lab.ctx, LOCAL, (lab.route(green),))
        assert any(level == "warning" and "wait until it is removed" in text for level, text in lab.ctx.logged)
        assert docker("inspect", "--format", "{{.Id}}", lab.container) == identity
        assert lab.ask().who == "blue"

    def test_it_comes_back_with_the_current_targets(self, lab: Lab) -> None:
        """After a crash, after a restart, and after a stop and the next ensure."""
        blue, green = lab.app("blue"), lab.app("green")
        lab.ensure(lab.route(blue))
        lab.switch(lab.route(green))
        docker("restart", "--time", "1", lab.container)
        assert eventually(lambda: lab.ask().who) == "green"
        docker("kill", lab.container)
        lab.ensure(lab.route(blue))
        assert lab.ask().who == "green"
        assert docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", lab.container) == "unless-stopped"

    def test_a_port_that_a_stranger_has_is_named(self, lab: Lab) -> None:
        """Neither the first start nor a new listener takes or shares it; what ran goes on."""
        blue = lab.app("blue")
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind((lab.address, 0))
            stranger.listen()
            taken = int(stranger.getsockname()[1])
            with pytest.raises(ProviderError, match=rf"{lab.address}:{taken} on local is taken by \S+"):
                lab.ensure(lab.route(blue, listen=taken))
            lab.ensure(lab.route(blue))
            with pytest.raises(ProviderError, match="is taken by"):
                lab.ensure(lab.route(blue), lab.route(blue, id="more", listen=taken))
        assert lab.ask().who == "blue"

    def test_two_environments_share_a_host(self, lab: Lab, tmp_path: Path) -> None:
        """Each has its own container; one's port is not the other's, and removing one leaves the other."""
        blue, green = lab.app("blue"), lab.app("green")
        other = Lab(lab.proxy, tmp_path, lab.loop, LocalContext(tmp_path, lab.ctx.project, "staging"))
        lab.ensure(lab.route(blue))
        try:
            other.ensure(other.route(green))
            with pytest.raises(ProviderError, match="is taken by"):
                other.ensure(lab.route(green))
            assert (lab.ask().who, other.ask().who) == ("blue", "green")
        finally:
            other.close()
        assert lab.ask().who == "blue"

    def test_remove_leaves_nothing(self, lab: Lab) -> None:
        """No container, no volume, no file, no listener; and it may be repeated."""
        lab.ensure(lab.route(lab.app("blue")))
        for _ in range(2):
            lab.proxy.remove(lab.ctx, LOCAL)
        of_project = f"label=io.stagecraft.proxy.project={lab.ctx.project}"
        assert docker("ps", "-aq", "--filter", of_project) == docker("volume", "ls", "-q", "--filter", of_project) == ""
        assert not [path for path in Path(lab.ctx.home()).rglob("*") if path.is_file()]
        with pytest.raises(OSError):
            lab.ask()

    def test_a_runtime_does_not_take_the_container_for_its_own(self, lab: Lab) -> None:
        """It carries none of the labels that runtimes find their containers by."""
        lab.ensure(lab.route())
        labels: Any = docker("inspect", "--format", "{{range $k, $v := .Config.Labels}}{{$k}} {{end}}", lab.container)
        found = {one for one in labels.split() if "stagecraft" in one or "compose" in one}
        assert {one for one in found if not one.startswith("io.stagecraft.proxy")} == set()
