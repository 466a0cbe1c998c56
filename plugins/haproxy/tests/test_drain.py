"""What counts as in flight: requests, streams and WebSockets; idle connections do not."""

from __future__ import annotations

import base64
import http.client
import os
import threading
import time

import pytest

from .conftest import Lab

pytestmark = pytest.mark.needs("docker")


def test_an_idle_connection_does_not_hold_a_drain(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.switch(lab.route(one))
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"v1"
    lab.switch(lab.route(two))
    begun = time.monotonic()
    assert lab.drain(one, deadline=20) == ()
    assert time.monotonic() - begun < 10
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"v2"


def test_a_request_in_flight_is_waited_for(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.switch(lab.route(one))
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(lab.get("/slow?4", method="POST", data=b"x")[2]))
    thread.start()
    time.sleep(0.5)
    lab.switch(lab.route(two))
    assert lab.drain(one, deadline=0.2) == (one,)
    assert lab.drain(one, two, deadline=20) == ()
    thread.join()
    assert answers == ["x"]
    assert f"{one.address}:8000" not in lab.config


def test_a_websocket_holds_a_drain_until_its_deadline_also_after_a_reload(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.switch(lab.route(one))
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=10)
    key = base64.b64encode(os.urandom(16)).decode()
    words = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    connection.request("GET", "/ws", headers=words)
    assert connection.getresponse().status == 101
    workers = lab.workers()
    lab.ensure(lab.route(), lab.route(id="api", path="/api"))
    assert len(lab.workers()) == len(workers) + 1
    lab.switch(lab.route(two), lab.route(two, id="api", path="/api"))
    assert lab.drain(one, deadline=0.5) == (one,)
    connection.close()
    assert lab.drain(one, deadline=20) == ()


def test_a_connection_from_before_a_reload_is_led_to_the_new_target(lab: Lab) -> None:
    one, two = lab.app("v1"), lab.app("v2")
    lab.switch(lab.route(one))
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"v1"
    renamed = {"id": "site", "service": "site"}
    lab.ensure(lab.route(**renamed))
    lab.switch(lab.route(two, **renamed))
    lab.stop(one)
    sock = connection.sock
    connection.request("POST", "/echo", b"once")
    assert connection.sock is sock
    assert connection.getresponse().read() == b"once"


def test_a_drain_of_nothing_or_of_unknown_targets_returns_at_once(lab: Lab) -> None:
    one = lab.app("v1")
    assert lab.drain(one) == ()
    lab.switch(lab.route())
    assert (lab.drain(), lab.drain(one)) == ((), ())
