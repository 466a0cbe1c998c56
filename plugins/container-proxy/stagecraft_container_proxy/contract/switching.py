"""Switching, draining, and the container's life: the second half of the suite."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import LOCAL

from stagecraft_container_proxy.contract.base import Base
from stagecraft_container_proxy.contract.context import LocalContext
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port
from stagecraft_container_proxy.contract.load import Load


class SwitchingSuite(Base):
    """Switch under load, break things, look at the host."""

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
