"""No request is lost over a switch: constant load of POSTs, on kept and on fresh connections, through two releases."""

from __future__ import annotations

import http.client
import threading
import time

import attrs

RATE = 200
SECONDS = 6.0
WORKERS = 8


@attrs.define
class Load:
    """Send requests at a constant rate from several threads; half of them keep their connection, half open one each time."""

    port: int
    answers: list[str] = attrs.field(factory=list)
    failures: list[str] = attrs.field(factory=list)

    def worker(self, number: int, begin: float) -> None:
        keep = number % 2 == 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for turn in range(int(RATE * SECONDS / WORKERS)):
            time.sleep(max(0.0, begin + (turn + number / WORKERS) * WORKERS / RATE - time.monotonic()))
            body = f"{number}-{turn}"
            try:
                connection.request("POST", "/", body=body.encode())
                answer = connection.getresponse()
                text = answer.read().decode()
                assert (answer.status, text.split()[1]) == (200, body)
                self.answers.append(text.split()[0])
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
            if not keep:
                connection.close()

    def start(self) -> list[threading.Thread]:
        begin = time.monotonic()
        threads = [threading.Thread(target=self.worker, args=(n, begin)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        return threads


def test_no_request_is_lost_over_two_switches_and_an_undo(project, port, published):
    project.service("api", ports=published(port), deploy={"replicas": 2})
    project.app("one")
    project.deploy()
    load = Load(port)
    threads = load.start()
    time.sleep(1)
    project.app("two")
    project.deploy()
    time.sleep(0.5)
    project.app("three")
    target = project.build()
    project.runtime.prepare(project.ctx, target)
    project.runtime.switch(project.ctx, target)
    time.sleep(0.5)
    project.runtime.undo(project.ctx, target)
    for thread in threads:
        thread.join()
    assert load.failures == []
    assert len(load.answers) == RATE * SECONDS
    assert set(load.answers) == {"one", "two", "three"}
    assert load.answers[-WORKERS:] == ["two"] * WORKERS


def test_request_in_flight_is_finished_by_the_old_instance(project, port, get, published):
    project.service("api", ports=published(port))
    project.app("one")
    project.deploy()
    answers: list[str] = []
    slow = threading.Thread(target=lambda: answers.append(get(port, "/slow?s=1.5")))
    slow.start()
    time.sleep(0.2)
    project.app("two")
    target = project.build()
    project.runtime.prepare(project.ctx, target)
    project.runtime.switch(project.ctx, target)
    assert get(port) == "two"
    project.runtime.retire(project.ctx, target)
    slow.join()
    assert answers == ["slow one"]


def test_request_longer_than_the_grace_is_cut_and_retire_ends(project, port, get, published):
    project.service("api", ports=published(port), stop_grace_period="500ms")
    project.app("one")
    project.deploy()
    slow = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    slow.request("GET", "/slow?s=30")
    time.sleep(0.2)
    project.app("two")
    begun = time.monotonic()
    project.deploy()
    assert time.monotonic() - begun < 4
    assert get(port) == "two"
    slow.close()
