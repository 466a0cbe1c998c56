"""What the downtime meter counts, against a real server that goes away and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecraft.run.meter import DOWN, Meter, Probe, Tally, answers, in_words


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        asked.append((self.path, self.headers["Host"]))
        self.send_response(int(self.path.strip("/") or 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


asked: list[tuple[str, str]] = []


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def until(true: object, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "good"), [("/", True), ("/404", True), ("/308", True), ("/503", False), ("/500", False)]
)
def test_an_answer_below_500_is_good(path: str, good: bool) -> None:
    with serving() as port:
        assert answers(Probe("web-80", "local", "127.0.0.1", port, path, "shop.example.com")) is good
    assert asked[-1] == (path, "shop.example.com")


def test_nothing_that_listens_is_a_failure() -> None:
    with serving() as port:
        pass
    assert not answers(Probe("web-80", "local", "127.0.0.1", port))


def test_an_outage_is_counted_with_its_length_and_the_route_counts_as_down() -> None:
    with serving() as port:
        meter = Meter([Probe("web-80", "local", "127.0.0.1", port)], time.monotonic, interval=0.02)
        meter.start()
        until(lambda: meter.summary().get("requests", 0) >= 3)
        assert meter.summary()["failures"] == 0 and meter.down() == ()
    until(lambda: meter.down())
    with serving(port):
        until(lambda: not meter.down())
        seen = meter.stop()
    assert seen["failures"] >= DOWN
    assert 0.02 * (DOWN - 1) <= seen["longest_gap_seconds"] < 10
    assert seen["requests"] > seen["failures"] and seen["p95_seconds"] > 0
    assert [(r["route"], r["host"], r["failures"]) for r in seen["routes"]] == [("web-80", "local", seen["failures"])]
    assert meter.stop() == seen, "stopping again changes nothing"


def test_what_never_answered_is_not_counted() -> None:
    with serving() as port:
        pass
    meter = Meter([Probe("web-80", "local", "127.0.0.1", port)], time.monotonic, interval=0.01)
    meter.start()
    time.sleep(0.1)
    assert meter.stop() == {}


@given(st.lists(st.booleans(), max_size=60))
def test_a_tally_counts_from_the_first_good_answer(answers: list[bool]) -> None:
    tally = Tally()
    for second, good in enumerate(answers):
        tally.add(float(second), second + 0.5, good)
    tally.close(float(len(answers)))
    counted = answers[answers.index(True) :] if True in answers else []
    assert (tally.requests, tally.failures) == (len(counted), counted.count(False))
    runs = "".join("+" if good else "-" for good in counted).split("+")
    longest = max((len(run) for run in runs), default=0)
    assert tally.gap == (0.0 if not longest else pytest.approx(longest, abs=1.5))


def test_what_was_seen_is_said_on_one_line() -> None:
    seen = {"requests": 521, "failures": 0, "longest_gap_seconds": 0.0, "p95_seconds": 0.06}
    assert in_words(seen) == "521 probes of its routes: none failed; 95% answered within 60 ms"
    lost = {**seen, "failures": 3, "longest_gap_seconds": 0.31}
    assert "3 failed, longest gap 0.3 s" in in_words(lost)
    assert in_words({}) == ""
