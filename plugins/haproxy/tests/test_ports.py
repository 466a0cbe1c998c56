"""A port that somebody else has is refused, and named; one that this environment's containers have is waited for."""

from __future__ import annotations

import os
import socket

import pytest
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import LOCAL

from .conftest import Lab, docker, free_port

pytestmark = pytest.mark.needs("docker")


def published(lab: Lab, *labels: str) -> str:
    name = f"{lab.project}-publisher"
    lab.extra.append(name)
    words = [word for label in labels for word in ("--label", label)]
    docker("run", "-d", "--name", name, "-p", f"{lab.port}:8000", *words, "busybox", "httpd", "-f", "-p", "8000")
    return name


def test_a_process_that_has_the_port_is_refused(lab: Lab) -> None:
    with socket.create_server(("0.0.0.0", lab.port)):
        with pytest.raises(ProviderError, match=rf"port {lab.port} of local is taken by .*process") as caught:
            lab.ensure(lab.route())
        assert f"sport = :{lab.port}" in caught.value.hint
    assert lab.container not in docker("ps", "-a", "--format", "{{.Names}}")
    lab.ensure(lab.route())


def test_another_haproxy_that_would_share_the_port_is_refused(lab: Lab) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", lab.port))
        other.listen()
        with pytest.raises(ProviderError, match="is taken by"):
            lab.ensure(lab.route())


def test_a_strangers_container_is_named(lab: Lab) -> None:
    name = published(lab)
    with pytest.raises(ProviderError, match=f"taken by the container {name}") as caught:
        lab.ensure(lab.route())
    assert caught.value.hint == f"stop it: docker stop {name}"


def test_another_environments_proxy_is_named(lab: Lab) -> None:
    lab.ensure(lab.route())
    other = lab.context(f"{lab.project}x")
    lab.extra.append(f"{lab.project}x.prod.haproxy")
    with pytest.raises(ProviderError, match=rf"taken by the proxy {lab.container} of {lab.project}/prod") as caught:
        lab.proxy().ensure(other, LOCAL, (lab.route(),))
    assert "cannot share a port" in caught.value.hint
    lab.proxy().ensure(other, LOCAL, (lab.route(listen=free_port()),))
    assert lab.get()[0] == 503


def test_a_new_port_that_is_taken_leaves_the_running_proxy_as_it_is(lab: Lab) -> None:
    target = lab.app("v1")
    lab.switch(lab.route(target))
    before, workers = lab.config, lab.workers()
    with socket.create_server(("0.0.0.0", 0)) as taken:
        extra = lab.route(id="extra", listen=taken.getsockname()[1])
        with pytest.raises(ProviderError, match="is taken by"):
            lab.ensure(lab.route(), extra)
    assert (lab.config, lab.workers(), lab.get()[2]) == (before, workers, "v1")


def test_a_configuration_that_the_running_proxy_refuses_is_taken_back(lab: Lab) -> None:
    """An address that the host does not have passes HAProxy's check, and fails when it binds."""
    target = lab.app("v1")
    lab.switch(lab.route(target))
    before, workers = lab.config, lab.workers()
    away = lab.route(id="away", listen=free_port(), bind="192.0.2.1")
    with pytest.raises(ProviderError, match="refused to reload") as caught:
        lab.ensure(lab.route(), away)
    assert "192.0.2.1" in caught.value.detail
    assert (lab.config, lab.get()[2]) == (before, "v1")
    lab.switch(lab.route(target))
    assert lab.workers() == workers
    docker("restart", "-t", "1", lab.container)
    lab.ensure(lab.route())
    assert lab.get()[2] == "v1"


def test_an_address_that_cannot_be_bound_leaves_no_container(lab: Lab) -> None:
    with pytest.raises(ProviderError, match="does not start") as caught:
        lab.ensure(lab.route(bind="192.0.2.1"))
    assert "192.0.2.1" in caught.value.detail
    assert lab.container not in docker("ps", "-a", "--format", "{{.Names}}")


def test_a_port_of_this_environments_release_is_taken_over_once_it_is_free(lab: Lab) -> None:
    name = published(lab, f"io.stagecraft.project={lab.project}", "io.stagecraft.environment=prod")
    target = lab.app("v1")
    lab.ensure(lab.route())
    lab.switch(lab.route(target))
    assert lab.serving() == {"web": (f"{target.address}:8000",)}
    assert lab.get()[0] == 404  # busybox still
    docker("rm", "-f", name)
    lab.switch(lab.route(target))
    assert lab.get()[2] == "v1"


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="this machine has no IPv6")
def test_ipv6_is_listened_on_where_the_host_has_it(lab: Lab) -> None:
    lab.switch(lab.route(lab.app("v1")))
    with socket.create_connection(("::1", lab.port), 5) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"v1" in s.recv(4096)
